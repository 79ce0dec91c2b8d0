// schedule_section.cc -- `scheduler`: WarmupLR, WarmupDecayLR, WarmupCosineLR.
#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/key_table.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/sections.h"

namespace autotp::config {
namespace {

struct Scheduler {
  absl::string_view name;
  v1::ScheduleConfig::Kind kind;
};

constexpr std::array<Scheduler, 3> kSchedulers = {{
    {"WarmupLR", v1::ScheduleConfig::KIND_WARMUP},
    {"WarmupDecayLR", v1::ScheduleConfig::KIND_WARMUP_DECAY},
    {"WarmupCosineLR", v1::ScheduleConfig::KIND_WARMUP_COSINE},
}};

v1::ScheduleConfig::Ramp ReadRamp(const SectionReader& params) {
  const std::string type = params.Text("warmup_type").value_or("log");
  if (type == "linear") return v1::ScheduleConfig::RAMP_LINEAR;
  if (type != "log") {
    params.diagnostics()->Error(
        params.PlaceOf("warmup_type"), "UNKNOWN_VALUE",
        absl::StrCat("warmup_type is \"", type,
                     "\"; \"log\" and \"linear\" are allowed"),
        "write \"warmup_type\": \"linear\"");
  }
  return v1::ScheduleConfig::RAMP_LOG;
}

void ReadTotalSteps(const SectionReader& params, absl::string_view name,
                    v1::ScheduleConfig* schedule) {
  const int errors = params.diagnostics()->errors();
  const std::optional<int64_t> total = params.Integer("total_num_steps", 1);
  if (total.has_value()) {
    schedule->set_total_steps(*total);
    if (*total < schedule->warmup_steps()) {
      params.diagnostics()->Warning(params.PlaceOf("total_num_steps"),
                                    "SCHEDULE_ENDS_IN_WARMUP",
                                    absl::StrCat("total_num_steps ", *total,
                                                 " is below warmup_num_steps ",
                                                 schedule->warmup_steps()));
    }
  } else if (params.diagnostics()->errors() == errors) {
    params.diagnostics()->Error(
        params.Place(), "MISSING_KEY",
        absl::StrCat(name, " needs total_num_steps"),
        "add \"total_num_steps\": the job's number of optimizer steps");
  }
}

}  // namespace

v1::ScheduleConfig ReadSchedule(const JsonDocument& document,
                                double learning_rate,
                                Diagnostics* diagnostics) {
  v1::ScheduleConfig schedule;
  schedule.set_kind(v1::ScheduleConfig::KIND_CONSTANT);
  schedule.set_ramp(v1::ScheduleConfig::RAMP_LOG);
  const JsonNode* node = document.root().Find("scheduler");
  const SectionReader section(document, node, diagnostics);
  if (!section.present()) return schedule;

  const std::string type = section.Text("type").value_or("");
  const auto found = std::find_if(
      kSchedulers.begin(), kSchedulers.end(),
      [&type](const Scheduler& known) { return known.name == type; });
  if (found == kSchedulers.end()) {
    std::vector<absl::string_view> names;
    for (const Scheduler& known : kSchedulers) names.push_back(known.name);
    const absl::string_view near = Nearest(type, names);
    diagnostics->Error(
        section.PlaceOf("type"), "SCHEDULER_NOT_SUPPORTED",
        absl::StrCat(type.empty() ? "scheduler has no type"
                                  : absl::StrCat("scheduler \"", type,
                                                 "\" is not supported"),
                     "; WarmupLR, WarmupDecayLR and WarmupCosineLR are"),
        absl::StrCat("write \"type\": \"", near.empty() ? "WarmupLR" : near,
                     "\""));
    return schedule;
  }
  schedule.set_kind(found->kind);
  const JsonNode* params_node = node->Find("params");
  const SectionReader params(document, params_node, diagnostics);
  if (params.present()) {
    CheckSectionKeys(document, absl::StrCat("scheduler.params.", found->name),
                     *params_node, diagnostics);
  }
  schedule.set_warmup_steps(
      params.Integer("warmup_num_steps", 1).value_or(1000));
  schedule.set_ramp(ReadRamp(params));
  if (found->kind == v1::ScheduleConfig::KIND_WARMUP_COSINE) {
    schedule.set_warmup_min_ratio(
        params.Number("warmup_min_ratio", 0).value_or(0));
    schedule.set_cosine_min_ratio(
        params.Number("cos_min_ratio", 0).value_or(1e-4));
  } else {
    const bool decays = found->kind == v1::ScheduleConfig::KIND_WARMUP_DECAY;
    schedule.set_minimum(params.Number("warmup_min_lr", 0).value_or(0));
    schedule.set_maximum(params.Number("warmup_max_lr", 0)
                             .value_or(decays ? 0.001 : learning_rate));
  }
  if (found->kind != v1::ScheduleConfig::KIND_WARMUP) {
    ReadTotalSteps(params, found->name, &schedule);
  }
  return schedule;
}

}  // namespace autotp::config
