// schedule_section.cc -- `scheduler`: WarmupLR, WarmupDecayLR, WarmupCosineLR.
#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/key_check.h"
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
  const std::optional<std::string> type =
      params.Choice("warmup_type", "log|linear");
  if (type == "linear") return v1::ScheduleConfig::RAMP_LINEAR;
  return v1::ScheduleConfig::RAMP_LOG;
}

// 0 after reporting that there is none.
int64_t TotalSteps(const SectionReader& params, absl::string_view name,
                   int64_t max_steps) {
  Diagnostics* diagnostics = params.diagnostics();
  const int errors = diagnostics->errors();
  if (params.IsAuto("total_num_steps")) {
    if (max_steps > 0) {
      params.NoteAuto("total_num_steps", absl::StrCat(max_steps),
                      "the job's max_steps");
    } else {
      diagnostics->Error(params.PlaceOf("total_num_steps"),
                         "AUTO_NOT_DERIVABLE",
                         "total_num_steps is \"auto\", which is the job's "
                         "max_steps, and that is not given",
                         "give --max-steps, or write the number");
    }
    return max_steps;
  }
  const std::optional<int64_t> total = params.Integer("total_num_steps", 1);
  if (!total.has_value() && diagnostics->errors() == errors &&
      !params.Find("total_num_steps")) {
    diagnostics->Error(params.Place(), "MISSING_KEY",
                       absl::StrCat(name, " needs total_num_steps"),
                       "add \"total_num_steps\": the job's number of "
                       "optimizer steps");
  }
  return total.value_or(0);
}

void ReadTotalSteps(const SectionReader& params, absl::string_view name,
                    int64_t max_steps, v1::ScheduleConfig* schedule) {
  const int64_t total = TotalSteps(params, name, max_steps);
  schedule->set_total_steps(total);
  if (total == 0 || total >= schedule->warmup_steps()) return;
  params.diagnostics()->Warning(
      params.PlaceOf("total_num_steps"), "SCHEDULE_ENDS_IN_WARMUP",
      absl::StrCat("total_num_steps ", total, " is below warmup_num_steps ",
                   schedule->warmup_steps()));
}

// Nothing said: the optimizer's rate for WarmupLR, DeepSpeed's constant for
// WarmupDecayLR.
double LargestRate(const SectionReader& params, bool decays,
                   double learning_rate) {
  if (params.IsAuto("warmup_max_lr")) {
    params.NoteAuto("warmup_max_lr", absl::StrCat(learning_rate),
                    "the optimizer's lr");
    return learning_rate;
  }
  return params.Number("warmup_max_lr", 0)
      .value_or(decays ? 0.001 : learning_rate);
}

}  // namespace

v1::ScheduleConfig ReadSchedule(const JsonDocument& document,
                                const ScheduleFacts& facts,
                                Diagnostics* diagnostics) {
  v1::ScheduleConfig schedule;
  schedule.set_kind(v1::ScheduleConfig::KIND_CONSTANT);
  schedule.set_ramp(v1::ScheduleConfig::RAMP_LOG);
  const JsonNode* node = document.root().Find("scheduler");
  const SectionReader section(document, node, diagnostics);
  if (!section.present()) return schedule;

  const KeyEntry* type =
      ReadType(section, "scheduler", "SCHEDULER_NOT_SUPPORTED");
  if (type == nullptr) return schedule;
  const auto found = std::find_if(
      kSchedulers.begin(), kSchedulers.end(),
      [type](const Scheduler& known) { return known.name == type->key; });
  schedule.set_kind(found->kind);
  const SectionReader params(document, node->Find("params"), diagnostics);
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
    schedule.set_maximum(LargestRate(params, decays, facts.learning_rate));
  }
  if (found->kind != v1::ScheduleConfig::KIND_WARMUP) {
    ReadTotalSteps(params, found->name, facts.max_steps, &schedule);
  }
  return schedule;
}

}  // namespace autotp::config
