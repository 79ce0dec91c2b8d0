#include "worker/optimizer/torch_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace autotp::optimizer {
namespace {

using Schedule = v1::ScheduleConfig;

double Cosine(double low, double base, int64_t at, int64_t length) {
  const double angle =
      std::numbers::pi * static_cast<double>(at) / static_cast<double>(length);
  return low + (base - low) * (1 + std::cos(angle)) / 2;
}

double Restarts(const Schedule& schedule, double base, int64_t done) {
  int64_t length = schedule.period();
  if (schedule.period_growth() == 1) {
    done %= length;
  } else {
    while (done >= length) {
      done -= length;
      length *= schedule.period_growth();
    }
  }
  return Cosine(schedule.minimum(), base, done, length);
}

}  // namespace

double TorchLearningRate(const Schedule& schedule, double base, int64_t step) {
  const int64_t done = step - 1;
  // Of `total_steps`; those that don't end have none.
  const double share = std::min(
      1.0, static_cast<double>(done) / static_cast<double>(std::max<int64_t>(
                                           1, schedule.total_steps())));
  const auto decayed = [&](int64_t times) {
    return base * std::pow(schedule.decay_factor(), static_cast<double>(times));
  };
  switch (schedule.kind()) {
    case Schedule::KIND_LINEAR:
      return base * (schedule.start_factor() +
                     (schedule.end_factor() - schedule.start_factor()) * share);
    case Schedule::KIND_REDUCED:
      return share < 1 ? base * schedule.start_factor() : base;
    case Schedule::KIND_STEP:
      return decayed(done / schedule.period());
    case Schedule::KIND_MULTI_STEP:
      return decayed(std::count_if(schedule.milestones().begin(),
                                   schedule.milestones().end(),
                                   [done](int64_t at) { return at <= done; }));
    case Schedule::KIND_EXPONENTIAL:
      return decayed(done);
    case Schedule::KIND_POLYNOMIAL:
      return base * std::pow(1 - share, schedule.power());
    case Schedule::KIND_COSINE:
      return Cosine(schedule.minimum(), base, done, schedule.total_steps());
    case Schedule::KIND_COSINE_RESTARTS:
      return Restarts(schedule, base, done);
    default:
      return base;
  }
}

}  // namespace autotp::optimizer
