// schedule.h -- the learning rate of every optimizer step.
//
// Steps count from 1, and only those that were not skipped: a skipped step
// holds the schedule. Two clocks run beside them:
//   DeepSpeed's schedulers are built at iteration -1 and advance after each
//   step, so step k runs at i = k - 2, and the first two at the minimum.
//   torch.optim.lr_scheduler's are built at epoch 0: step k runs at e = k - 1.
//
// DeepSpeed's, with n = max(2, warmup_steps) and the ramp g(i) = i / n
// (linear) or ln(i + 1) / ln(n) (log):
//   warmup         min + (max - min) g(i) for i < n, then max
//   warmup decay   the same, then min + (max - min) max(0, (T-i) / max(1,T-n))
//   warmup cosine  rate (r + (1 - r) g(i)) for i < n, then
//                  rate max(0, c + (1 - c) (1 + cos(pi p)) / 2),
//                  p = min(1, (i - n + 1) / max(1, T - n)); 0 for i < 0
//   range test     min (1 + growth x), x = (i + 1) / period, or its floor
//   one cycle      one_cycle.h
// PyTorch's, on the optimizer's rate: torch_schedule.h.
#ifndef AUTOTP_WORKER_OPTIMIZER_SCHEDULE_H_
#define AUTOTP_WORKER_OPTIMIZER_SCHEDULE_H_

#include <cstdint>
#include <optional>

#include "autotp/v1/training.pb.h"

namespace autotp::optimizer {

// The rate of optimizer step `step` (from 1); `base` is the optimizer's own
// rate, which is also the answer without a schedule.
double LearningRate(const v1::ScheduleConfig& schedule, double base,
                    int64_t step);

struct Betas {
  double beta1 = 0;
  double beta2 = 0;
};
// The optimizer's betas, where the schedule cycles them.
std::optional<Betas> CycledBetas(const v1::ScheduleConfig& schedule,
                                 int64_t step);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_SCHEDULE_H_
