// one_cycle.h -- DeepSpeed's OneCycle: the rate rises, falls and then decays,
// while the momentum does the opposite.
//
// At j = k - 1 steps done, with the cycle of `first_steps` up and
// `second_steps` down, and s(j) the height in [0, 1], rounded down to stairs
// where there are any:
//   rate      min + (max - min) s(j), afterwards min / (1 + decay x)
//   momentum  max - (max - min) s(j), afterwards max (1 + decay x)
// where x counts `decay_steps` since the cycle's end. The very first step has
// the least momentum: so does DeepSpeed set it when it is built.
#ifndef AUTOTP_WORKER_OPTIMIZER_ONE_CYCLE_H_
#define AUTOTP_WORKER_OPTIMIZER_ONE_CYCLE_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"

namespace autotp::optimizer {

// The second beta, as long as the first is cycled.
inline constexpr double kOneCycleBeta2 = 0.99;

double OneCycleRate(const v1::ScheduleConfig& schedule, int64_t step);
double OneCycleMomentum(const v1::ScheduleConfig& schedule, int64_t step);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_ONE_CYCLE_H_
