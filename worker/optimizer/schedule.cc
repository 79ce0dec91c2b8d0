#include "worker/optimizer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "worker/optimizer/one_cycle.h"
#include "worker/optimizer/torch_schedule.h"

namespace autotp::optimizer {
namespace {

double Ramp(const v1::ScheduleConfig& schedule, double i, double n) {
  return schedule.ramp() == v1::ScheduleConfig::RAMP_LINEAR
             ? i / n
             : std::log(i + 1) / std::log(n);
}

double Warmup(const v1::ScheduleConfig& schedule, double base, double i,
              double n) {
  const double low = schedule.minimum();
  const double high = schedule.has_maximum() ? schedule.maximum() : base;
  double gamma = 1.0;
  if (i < 0) {
    gamma = 0.0;
  } else if (i < n) {
    gamma = Ramp(schedule, i, n);
  } else if (schedule.kind() == v1::ScheduleConfig::KIND_WARMUP_DECAY) {
    const double total = static_cast<double>(schedule.total_steps());
    gamma = std::max(0.0, (total - i) / std::max(1.0, total - n));
  }
  return low + (high - low) * gamma;
}

double Cosine(const v1::ScheduleConfig& schedule, double base, double i,
              double n) {
  if (i < 0) return 0.0;
  const double first = schedule.warmup_min_ratio();
  if (i < n) return base * (first + (1 - first) * Ramp(schedule, i, n));
  const double total = static_cast<double>(schedule.total_steps());
  const double last = schedule.cosine_min_ratio();
  const double p = std::min(1.0, (i - n + 1) / std::max(1.0, total - n));
  const double swing = (1 + std::cos(std::numbers::pi * p)) / 2;
  return base * std::max(0.0, last + (1 - last) * swing);
}

double RangeTest(const v1::ScheduleConfig& schedule, double i) {
  double x = (i + 1) / static_cast<double>(schedule.period());
  if (schedule.staircase()) x = std::floor(x);
  return schedule.minimum() * (1 + schedule.growth_rate() * x);
}

}  // namespace

double LearningRate(const v1::ScheduleConfig& schedule, double base,
                    int64_t step) {
  const double i = static_cast<double>(step - 2);
  const double n =
      static_cast<double>(std::max<int64_t>(2, schedule.warmup_steps()));
  switch (schedule.kind()) {
    case v1::ScheduleConfig::KIND_UNSPECIFIED:
    case v1::ScheduleConfig::KIND_CONSTANT:
      return base;
    case v1::ScheduleConfig::KIND_WARMUP:
    case v1::ScheduleConfig::KIND_WARMUP_DECAY:
      return Warmup(schedule, base, i, n);
    case v1::ScheduleConfig::KIND_WARMUP_COSINE:
      return Cosine(schedule, base, i, n);
    case v1::ScheduleConfig::KIND_RANGE_TEST:
      return RangeTest(schedule, i);
    case v1::ScheduleConfig::KIND_ONE_CYCLE:
      return OneCycleRate(schedule, step);
    default:
      return TorchLearningRate(schedule, base, step);
  }
}

std::optional<Betas> CycledBetas(const v1::ScheduleConfig& schedule,
                                 int64_t step) {
  if (schedule.kind() != v1::ScheduleConfig::KIND_ONE_CYCLE ||
      !schedule.one_cycle().cycle_momentum())
    return std::nullopt;
  return Betas{OneCycleMomentum(schedule, step), kOneCycleBeta2};
}

}  // namespace autotp::optimizer
