// adagrad.h -- Adagrad as torch.optim.Adagrad does it.
//
//   g = g + weight_decay w
//   s = s + g g
//   w = w - rate / (1 + (step - 1) rate_decay) g / (sqrt(s) + epsilon)
//
// Pure loops over fp32 arrays; any split of the range gives the same bits.
#ifndef AUTOTP_WORKER_OPTIMIZER_ADAGRAD_H_
#define AUTOTP_WORKER_OPTIMIZER_ADAGRAD_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"

namespace autotp::optimizer {

struct AdagradStep {
  float gradient_factor = 1.0f;  // of clipping
  float l2 = 0.0f;
  float epsilon = 1e-10f;
  float rate = 0.0f;
};

AdagradStep MakeAdagradStep(const v1::OptimizerConfig& config, int64_t step,
                            double learning_rate, double gradient_factor);

void UpdateAdagrad(const AdagradStep& step, int64_t count,
                   const float* gradients, float* weights, float* sum);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_ADAGRAD_H_
