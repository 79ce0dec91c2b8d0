#include "worker/optimizer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace autotp::optimizer {
namespace {

double Ramp(const v1::ScheduleConfig& schedule, double i, double n) {
  return schedule.ramp() == v1::ScheduleConfig::RAMP_LINEAR
             ? i / n
             : std::log(i + 1) / std::log(n);
}

double Warmup(const v1::ScheduleConfig& schedule, double i, double n) {
  const double low = schedule.minimum();
  double gamma = 1.0;
  if (i < 0) {
    gamma = 0.0;
  } else if (i < n) {
    gamma = Ramp(schedule, i, n);
  } else if (schedule.kind() == v1::ScheduleConfig::KIND_WARMUP_DECAY) {
    const double total = static_cast<double>(schedule.total_steps());
    gamma = std::max(0.0, (total - i) / std::max(1.0, total - n));
  }
  return low + (schedule.maximum() - low) * gamma;
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

}  // namespace

double LearningRate(const v1::ScheduleConfig& schedule, double base,
                    int64_t step) {
  const double i = static_cast<double>(step - 2);
  const double n =
      static_cast<double>(std::max<int64_t>(2, schedule.warmup_steps()));
  switch (schedule.kind()) {
    case v1::ScheduleConfig::KIND_WARMUP:
    case v1::ScheduleConfig::KIND_WARMUP_DECAY:
      return Warmup(schedule, i, n);
    case v1::ScheduleConfig::KIND_WARMUP_COSINE:
      return Cosine(schedule, base, i, n);
    default:
      return base;
  }
}

}  // namespace autotp::optimizer
