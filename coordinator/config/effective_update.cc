#include "coordinator/config/effective_update.h"

#include <string>

namespace autotp::config {
namespace {

using Json = nlohmann::ordered_json;
using Schedule = v1::ScheduleConfig;
using Optimizer = v1::OptimizerConfig;

Json Typed(const char* type, Json params) {
  return {{"type", type}, {"params", std::move(params)}};
}

Json AdamJson(const Optimizer& optimizer) {
  // Type Adam with adam_w_mode says both kinds of decay.
  return Typed(optimizer.decoupled_decay() ? "AdamW" : "Adam",
               {{"lr", optimizer.learning_rate()},
                {"betas", {optimizer.beta1(), optimizer.beta2()}},
                {"eps", optimizer.epsilon()},
                {"weight_decay", optimizer.weight_decay()},
                {"bias_correction", optimizer.bias_correction()},
                {"adam_w_mode", optimizer.decoupled_decay()}});
}

Json WarmupJson(const Schedule& schedule) {
  Json params;
  if (schedule.kind() == Schedule::KIND_WARMUP_COSINE) {
    params["warmup_min_ratio"] = schedule.warmup_min_ratio();
    params["cos_min_ratio"] = schedule.cosine_min_ratio();
  } else {
    params["warmup_min_lr"] = schedule.minimum();
    if (schedule.has_maximum()) params["warmup_max_lr"] = schedule.maximum();
  }
  params["warmup_num_steps"] = schedule.warmup_steps();
  params["warmup_type"] =
      schedule.ramp() == Schedule::RAMP_LINEAR ? "linear" : "log";
  if (schedule.kind() == Schedule::KIND_WARMUP)
    return Typed("WarmupLR", params);
  params["total_num_steps"] = schedule.total_steps();
  return Typed(schedule.kind() == Schedule::KIND_WARMUP_DECAY
                   ? "WarmupDecayLR"
                   : "WarmupCosineLR",
               params);
}

Json OneCycleJson(const Schedule& schedule) {
  const v1::OneCycle& cycle = schedule.one_cycle();
  Json params = {{"cycle_min_lr", schedule.minimum()},
                 {"cycle_max_lr", schedule.maximum()},
                 {"decay_lr_rate", cycle.decay_rate()},
                 {"cycle_first_step_size", cycle.first_steps()},
                 {"cycle_second_step_size", cycle.second_steps()},
                 {"cycle_first_stair_count", cycle.first_stairs()},
                 {"cycle_second_stair_count", cycle.second_stairs()},
                 {"decay_step_size", cycle.decay_steps()},
                 {"cycle_momentum", cycle.cycle_momentum()}};
  if (cycle.cycle_momentum()) {
    params["cycle_min_mom"] = cycle.minimum_momentum();
    params["cycle_max_mom"] = cycle.maximum_momentum();
    params["decay_mom_rate"] = cycle.momentum_decay_rate();
  }
  return Typed("OneCycle", params);
}

}  // namespace

Json OptimizerJson(const Optimizer& optimizer) {
  Json params = {{"lr", optimizer.learning_rate()},
                 {"weight_decay", optimizer.weight_decay()}};
  const Json betas = {optimizer.beta1(), optimizer.beta2()};
  switch (optimizer.kind()) {
    case Optimizer::KIND_ADAGRAD:
      params["eps"] = optimizer.epsilon();
      params["lr_decay"] = optimizer.rate_decay();
      params["initial_accumulator_value"] = optimizer.initial_accumulator();
      return Typed("Adagrad", params);
    case Optimizer::KIND_LAMB:
      params["betas"] = betas;
      params["eps"] = optimizer.epsilon();
      params["bias_correction"] = optimizer.bias_correction();
      params["max_coeff"] = optimizer.maximum_coefficient();
      params["min_coeff"] = optimizer.minimum_coefficient();
      params["eps_inside_sqrt"] = optimizer.epsilon_in_root();
      return Typed("Lamb", params);
    case Optimizer::KIND_LION:
      params["betas"] = betas;
      return Typed("Lion", params);
    case Optimizer::KIND_SGD:
      params["momentum"] = optimizer.momentum();
      params["dampening"] = optimizer.dampening();
      params["nesterov"] = optimizer.nesterov();
      return Typed("SGD", params);
    case Optimizer::KIND_MUON:
      params["betas"] = betas;
      params["eps"] = optimizer.epsilon();
      params["momentum"] = optimizer.momentum();
      params["nesterov"] = optimizer.nesterov();
      params["ns_steps"] = optimizer.orthogonalization_steps();
      params["muon_lr"] = optimizer.learning_rate();
      params["adam_lr"] = optimizer.adam_learning_rate();
      return Typed("Muon", params);
    default:
      return AdamJson(optimizer);
  }
}

Json SchedulerJson(const Schedule& schedule) {
  const Json gamma = schedule.decay_factor();
  const Json total = schedule.total_steps();
  switch (schedule.kind()) {
    case Schedule::KIND_RANGE_TEST:
      return Typed("LRRangeTest",
                   {{"lr_range_test_min_lr", schedule.minimum()},
                    {"lr_range_test_step_size", schedule.period()},
                    {"lr_range_test_step_rate", schedule.growth_rate()},
                    {"lr_range_test_staircase", schedule.staircase()}});
    case Schedule::KIND_ONE_CYCLE:
      return OneCycleJson(schedule);
    case Schedule::KIND_LINEAR:
      return Typed("LinearLR", {{"start_factor", schedule.start_factor()},
                                {"end_factor", schedule.end_factor()},
                                {"total_iters", total}});
    case Schedule::KIND_REDUCED:
      return Typed("ConstantLR", {{"factor", schedule.start_factor()},
                                  {"total_iters", total}});
    case Schedule::KIND_STEP:
      return Typed("StepLR",
                   {{"step_size", schedule.period()}, {"gamma", gamma}});
    case Schedule::KIND_MULTI_STEP: {
      Json milestones = Json::array();
      for (const int64_t step : schedule.milestones())
        milestones.push_back(step);
      return Typed("MultiStepLR",
                   {{"milestones", milestones}, {"gamma", gamma}});
    }
    case Schedule::KIND_EXPONENTIAL: {
      Json params;
      params["gamma"] = gamma;
      return Typed("ExponentialLR", params);
    }
    case Schedule::KIND_POLYNOMIAL:
      return Typed("PolynomialLR",
                   {{"total_iters", total}, {"power", schedule.power()}});
    case Schedule::KIND_COSINE:
      return Typed("CosineAnnealingLR",
                   {{"T_max", total}, {"eta_min", schedule.minimum()}});
    case Schedule::KIND_COSINE_RESTARTS:
      return Typed("CosineAnnealingWarmRestarts",
                   {{"T_0", schedule.period()},
                    {"T_mult", schedule.period_growth()},
                    {"eta_min", schedule.minimum()}});
    default:
      return WarmupJson(schedule);
  }
}

}  // namespace autotp::config
