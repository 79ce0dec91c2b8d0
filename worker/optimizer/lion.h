// lion.h -- Lion: the sign of a momentum (Chen et al., "Symbolic Discovery of
// Optimization Algorithms").
//
//   w = (1 - rate weight_decay) w - rate sign(beta1 m + (1 - beta1) g)
//   m = beta2 m + (1 - beta2) g
//
// The sign of zero is zero, as in the paper: what never had a gradient stays.
// DeepSpeed's two kernels disagree there (one steps up, one down).
// Pure loops over fp32 arrays; any split of the range gives the same bits.
#ifndef AUTOTP_WORKER_OPTIMIZER_LION_H_
#define AUTOTP_WORKER_OPTIMIZER_LION_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"

namespace autotp::optimizer {

struct LionStep {
  float gradient_factor = 1.0f;  // of clipping
  float beta1 = 0.9f;
  float keep1 = 0.1f;  // 1 - beta1
  float beta2 = 0.999f;
  float keep2 = 0.001f;
  float decay = 1.0f;  // weight factor: 1 - rate * weight_decay
  float rate = 0.0f;
};

LionStep MakeLionStep(const v1::OptimizerConfig& config, double learning_rate,
                      double gradient_factor);

void UpdateLion(const LionStep& step, int64_t count, const float* gradients,
                float* weights, float* exp_avg);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_LION_H_
