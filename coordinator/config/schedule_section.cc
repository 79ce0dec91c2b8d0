// schedule_section.cc -- `scheduler`: DeepSpeed's own, and those of
// torch.optim.lr_scheduler that DeepSpeed takes by their class names.
#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/key_check.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/sections.h"

namespace autotp::config {
namespace {

using Schedule = v1::ScheduleConfig;

constexpr double kSmallest = 1e-300;  // above 0

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

void ReadWarmup(const SectionReader& params, const ScheduleFacts& facts,
                absl::string_view name, Schedule* schedule) {
  schedule->set_warmup_steps(
      params.Integer("warmup_num_steps", 1).value_or(1000));
  schedule->set_ramp(ReadRamp(params));
  if (schedule->kind() == Schedule::KIND_WARMUP_COSINE) {
    schedule->set_warmup_min_ratio(
        params.Number("warmup_min_ratio", 0).value_or(0));
    schedule->set_cosine_min_ratio(
        params.Number("cos_min_ratio", 0).value_or(1e-4));
  } else {
    const bool decays = schedule->kind() == Schedule::KIND_WARMUP_DECAY;
    schedule->set_minimum(params.Number("warmup_min_lr", 0).value_or(0));
    // Two rates stay two.
    if (decays || !facts.two_rates || params.IsAuto("warmup_max_lr") ||
        params.Find("warmup_max_lr") != nullptr)
      schedule->set_maximum(LargestRate(params, decays, facts.learning_rate));
  }
  if (schedule->kind() != Schedule::KIND_WARMUP)
    ReadTotalSteps(params, name, facts.max_steps, schedule);
}

void ReadRangeTest(const SectionReader& params, const ScheduleFacts&,
                   absl::string_view, Schedule* schedule) {
  schedule->set_minimum(
      params.Number("lr_range_test_min_lr", 0).value_or(1e-3));
  schedule->set_period(
      params.Integer("lr_range_test_step_size", 1).value_or(2000));
  schedule->set_growth_rate(
      params.Number("lr_range_test_step_rate", 0).value_or(1.0));
  schedule->set_staircase(
      params.Boolean("lr_range_test_staircase").value_or(false));
}

// 0 after reporting that there is none.
template <typename Value>
Value Needed(const SectionReader& params, absl::string_view name,
             absl::string_view key, std::optional<Value> value) {
  if (!value.has_value() && params.Find(key) == nullptr) {
    params.diagnostics()->Error(params.Place(), "MISSING_KEY",
                                absl::StrCat(name, " needs ", key),
                                absl::StrCat("add \"", key, "\""));
  }
  return value.value_or(Value());
}

void CheckMomentum(const SectionReader& params, const ScheduleFacts& facts,
                   const Schedule& schedule) {
  const v1::OneCycle& cycle = schedule.one_cycle();
  const int64_t decayed =
      facts.max_steps - 1 - cycle.first_steps() - cycle.second_steps();
  if (decayed <= 0 || cycle.decay_steps() == 0) return;
  const double last =
      cycle.maximum_momentum() *
      (1 + cycle.momentum_decay_rate() * static_cast<double>(decayed) /
               static_cast<double>(cycle.decay_steps()));
  if (last < 1) return;
  params.diagnostics()->Error(
      params.PlaceOf("decay_mom_rate"), "MOMENTUM_REACHES_ONE",
      absl::StrCat("decay_mom_rate ", cycle.momentum_decay_rate(),
                   " takes the momentum to ", last, " at step ",
                   facts.max_steps, "; it has to stay below 1"),
      "set decay_mom_rate to 0, or lower it");
}

void ReadCycledMomentum(const SectionReader& params, const ScheduleFacts& facts,
                        Schedule* schedule) {
  v1::OneCycle& cycle = *schedule->mutable_one_cycle();
  const bool wanted = params.Boolean("cycle_momentum").value_or(true);
  cycle.set_cycle_momentum(wanted && facts.has_betas);
  if (wanted && !facts.has_betas) {
    params.diagnostics()->Warning(
        params.PlaceOf("cycle_momentum"), "KEY_WITHOUT_EFFECT",
        "OneCycle cycles no momentum here: this optimizer has no betas",
        "set \"cycle_momentum\" to false");
  }
  if (!cycle.cycle_momentum()) return;
  cycle.set_minimum_momentum(
      params.Number("cycle_min_mom", 0, 1).value_or(0.8));
  cycle.set_maximum_momentum(
      params.Number("cycle_max_mom", 0, 1).value_or(0.9));
  cycle.set_momentum_decay_rate(params.Number("decay_mom_rate", 0).value_or(0));
  CheckMomentum(params, facts, *schedule);
}

void ReadOneCycle(const SectionReader& params, const ScheduleFacts& facts,
                  absl::string_view name, Schedule* schedule) {
  schedule->set_minimum(
      Needed(params, name, "cycle_min_lr", params.Number("cycle_min_lr", 0)));
  schedule->set_maximum(
      Needed(params, name, "cycle_max_lr", params.Number("cycle_max_lr", 0)));
  v1::OneCycle& cycle = *schedule->mutable_one_cycle();
  cycle.set_first_steps(
      params.Integer("cycle_first_step_size", 1).value_or(2000));
  cycle.set_second_steps(params.Integer("cycle_second_step_size", 0)
                             .value_or(cycle.first_steps()));
  cycle.set_first_stairs(
      params.Integer("cycle_first_stair_count", 0).value_or(0));
  cycle.set_second_stairs(params.Integer("cycle_second_stair_count", 0)
                              .value_or(cycle.first_stairs()));
  cycle.set_decay_steps(params.Integer("decay_step_size", 0).value_or(0));
  cycle.set_decay_rate(params.Number("decay_lr_rate", 0).value_or(0));
  ReadCycledMomentum(params, facts, schedule);
}

void ReadTorch(const SectionReader& params, const ScheduleFacts&,
               absl::string_view name, Schedule* schedule) {
  switch (schedule->kind()) {
    case Schedule::KIND_LINEAR:
      schedule->set_start_factor(
          params.Number("start_factor", kSmallest, 1).value_or(1.0 / 3));
      schedule->set_end_factor(params.Number("end_factor", 0, 1).value_or(1));
      schedule->set_total_steps(params.Integer("total_iters", 1).value_or(5));
      return;
    case Schedule::KIND_REDUCED:
      schedule->set_start_factor(
          params.Number("factor", 0, 1).value_or(1.0 / 3));
      schedule->set_total_steps(params.Integer("total_iters", 1).value_or(5));
      return;
    case Schedule::KIND_POLYNOMIAL:
      schedule->set_total_steps(params.Integer("total_iters", 1).value_or(5));
      schedule->set_power(params.Number("power", 0).value_or(1));
      return;
    case Schedule::KIND_STEP:
      schedule->set_period(
          Needed(params, name, "step_size", params.Integer("step_size", 1)));
      schedule->set_decay_factor(params.Number("gamma", 0).value_or(0.1));
      return;
    case Schedule::KIND_EXPONENTIAL:
      schedule->set_decay_factor(
          Needed(params, name, "gamma", params.Number("gamma", 0)));
      return;
    case Schedule::KIND_COSINE:
      schedule->set_total_steps(
          Needed(params, name, "T_max", params.Integer("T_max", 1)));
      schedule->set_minimum(params.Number("eta_min", 0).value_or(0));
      return;
    default:
      schedule->set_period(
          Needed(params, name, "T_0", params.Integer("T_0", 1)));
      schedule->set_period_growth(params.Integer("T_mult", 1).value_or(1));
      schedule->set_minimum(params.Number("eta_min", 0).value_or(0));
      return;
  }
}

void ReadMultiStep(const SectionReader& params, const ScheduleFacts&,
                   absl::string_view name, Schedule* schedule) {
  schedule->set_decay_factor(params.Number("gamma", 0).value_or(0.1));
  const JsonNode* list = params.Find("milestones");
  if (list == nullptr) {
    Needed(params, name, "milestones", std::optional<int64_t>());
    return;
  }
  for (const JsonNode& element : list->elements) {
    if (element.kind != JsonNode::Kind::kInteger || element.number < 0) {
      params.WrongType(element, "a number of steps is needed");
      return;
    }
    schedule->add_milestones(static_cast<int64_t>(element.number));
  }
}

struct Scheduler {
  absl::string_view name;
  Schedule::Kind kind;
  void (*read)(const SectionReader& params, const ScheduleFacts& facts,
               absl::string_view name, Schedule* schedule);
};

constexpr std::array<Scheduler, 13> kSchedulers = {{
    {"WarmupLR", Schedule::KIND_WARMUP, ReadWarmup},
    {"WarmupDecayLR", Schedule::KIND_WARMUP_DECAY, ReadWarmup},
    {"WarmupCosineLR", Schedule::KIND_WARMUP_COSINE, ReadWarmup},
    {"LRRangeTest", Schedule::KIND_RANGE_TEST, ReadRangeTest},
    {"OneCycle", Schedule::KIND_ONE_CYCLE, ReadOneCycle},
    {"LinearLR", Schedule::KIND_LINEAR, ReadTorch},
    {"ConstantLR", Schedule::KIND_REDUCED, ReadTorch},
    {"StepLR", Schedule::KIND_STEP, ReadTorch},
    {"MultiStepLR", Schedule::KIND_MULTI_STEP, ReadMultiStep},
    {"ExponentialLR", Schedule::KIND_EXPONENTIAL, ReadTorch},
    {"PolynomialLR", Schedule::KIND_POLYNOMIAL, ReadTorch},
    {"CosineAnnealingLR", Schedule::KIND_COSINE, ReadTorch},
    {"CosineAnnealingWarmRestarts", Schedule::KIND_COSINE_RESTARTS, ReadTorch},
}};

}  // namespace

v1::ScheduleConfig ReadSchedule(const JsonDocument& document,
                                const ScheduleFacts& facts,
                                Diagnostics* diagnostics) {
  Schedule schedule;
  schedule.set_kind(Schedule::KIND_CONSTANT);
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
  found->read(params, facts, found->name, &schedule);
  return schedule;
}

}  // namespace autotp::config
