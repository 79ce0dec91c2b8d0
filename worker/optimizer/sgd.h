// sgd.h -- stochastic gradient descent as torch.optim.SGD does it.
//
//   d = g + weight_decay w
//   b = momentum b + (1 - dampening) d; at the first step b = d
//   d = d + momentum b (nesterov), or b; without momentum d stays
//   w = w - rate d
//
// Pure loops over fp32 arrays; any split of the range gives the same bits.
#ifndef AUTOTP_WORKER_OPTIMIZER_SGD_H_
#define AUTOTP_WORKER_OPTIMIZER_SGD_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"

namespace autotp::optimizer {

struct SgdStep {
  float gradient_factor = 1.0f;  // of clipping
  float l2 = 0.0f;
  float momentum = 0.0f;
  float keep = 1.0f;  // 1 - dampening
  float rate = 0.0f;
  bool nesterov = false;
};

SgdStep MakeSgdStep(const v1::OptimizerConfig& config, int64_t step,
                    double learning_rate, double gradient_factor);

// `buffer` is null without momentum.
void UpdateSgd(const SgdStep& step, int64_t count, const float* gradients,
               float* weights, float* buffer);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_SGD_H_
