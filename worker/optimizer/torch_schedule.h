// torch_schedule.h -- the schedules of torch.optim.lr_scheduler.
//
// With e = k - 1 steps done before step k, and the optimizer's rate:
//   LinearLR           rate (start + (end - start) min(1, e / total))
//   ConstantLR         rate start for e < total, then rate
//   StepLR             rate gamma^floor(e / period)
//   MultiStepLR        rate gamma^(milestones that are at most e)
//   ExponentialLR      rate gamma^e
//   PolynomialLR       rate (1 - min(1, e / total))^power
//   CosineAnnealingLR  min + (rate - min) (1 + cos(pi e / total)) / 2
//   ...WarmRestarts    the same within periods of T_0, T_0 T_mult, ... steps
#ifndef AUTOTP_WORKER_OPTIMIZER_TORCH_SCHEDULE_H_
#define AUTOTP_WORKER_OPTIMIZER_TORCH_SCHEDULE_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"

namespace autotp::optimizer {

double TorchLearningRate(const v1::ScheduleConfig& schedule, double base,
                         int64_t step);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_TORCH_SCHEDULE_H_
