// adam.h -- Adam and AdamW on flat ranges: one pass over memory.
//
// Pure loops over fp32 arrays; any thread, any split of the range gives the
// same bits.
#ifndef AUTOTP_WORKER_OPTIMIZER_ADAM_H_
#define AUTOTP_WORKER_OPTIMIZER_ADAM_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"

namespace autotp::optimizer {

// The numbers of one optimizer step, the same for every element.
struct AdamStep {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float keep1 = 0.1f;    // 1 - beta1, rounded once
  float keep2 = 0.001f;  // 1 - beta2
  float epsilon = 1e-8f;
  float gradient_factor = 1.0f;  // of clipping
  float l2 = 0.0f;               // added to the gradient, times the weight
  float decay = 1.0f;            // weight factor: 1 - rate * weight_decay
  float step_size = 0.0f;        // rate / (1 - beta1^step)
  float inverse_root2 = 1.0f;    // 1 / sqrt(1 - beta2^step)
};

// `step` counts from 1; `gradient_factor` is ClipFactor's.
AdamStep MakeAdamStep(const v1::OptimizerConfig& config, int64_t step,
                      double learning_rate, double gradient_factor);

// One step on `count` elements. `gradients` stay as they are.
void UpdateAdam(const AdamStep& step, int64_t count, const float* gradients,
                float* weights, float* exp_avg, float* exp_avg_sq);

// What all gradients are multiplied by so that their norm is at most `limit`:
// min(1, limit / (norm + 1e-6)); 1 for limit 0, which means no clipping.
double ClipFactor(double norm, double limit);

// The sum of the squares, accumulated in double.
double SumOfSquares(const float* values, int64_t count);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_ADAM_H_
