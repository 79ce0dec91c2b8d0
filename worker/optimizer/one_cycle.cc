#include "worker/optimizer/one_cycle.h"

#include <cmath>

namespace autotp::optimizer {
namespace {

// In [0, 1] at `done` steps, which may be beyond the first cycle.
double Height(const v1::OneCycle& cycle, int64_t done) {
  const int64_t total = cycle.first_steps() + cycle.second_steps();
  const int64_t at = done % total;
  const bool rising = at <= cycle.first_steps();
  const int64_t stairs = rising ? cycle.first_stairs() : cycle.second_stairs();
  const double way = static_cast<double>(rising ? at : total - at);
  const double length =
      static_cast<double>(rising ? cycle.first_steps() : cycle.second_steps());
  if (stairs == 0) return way / length;
  const double count = static_cast<double>(stairs);
  return std::floor(way * count / length) / count;
}

// How far the decay has come at step `step`; below 0: still in the cycle.
double Decay(const v1::OneCycle& cycle, int64_t step) {
  const int64_t done = step - 1;
  const int64_t total = cycle.first_steps() + cycle.second_steps();
  if (done <= total) return -1;
  if (cycle.decay_steps() == 0) return 0;
  return static_cast<double>(done - total) /
         static_cast<double>(cycle.decay_steps());
}

}  // namespace

double OneCycleRate(const v1::ScheduleConfig& schedule, int64_t step) {
  const v1::OneCycle& cycle = schedule.one_cycle();
  const double low = schedule.minimum();
  const double decay = Decay(cycle, step);
  if (decay >= 0) return low / (1 + cycle.decay_rate() * decay);
  return low + (schedule.maximum() - low) * Height(cycle, step - 1);
}

double OneCycleMomentum(const v1::ScheduleConfig& schedule, int64_t step) {
  const v1::OneCycle& cycle = schedule.one_cycle();
  const double low = cycle.minimum_momentum();
  const double high = cycle.maximum_momentum();
  if (step == 1) return low;
  const double decay = Decay(cycle, step);
  if (decay >= 0) return high * (1 + cycle.momentum_decay_rate() * decay);
  return high - (high - low) * Height(cycle, step - 1);
}

}  // namespace autotp::optimizer
