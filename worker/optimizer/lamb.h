// lamb.h -- Lamb as DeepSpeed's FusedLamb does it: Adam's direction, scaled
// for each parameter by the norm of its weights over the direction's.
//
//   m, v as Adam's
//   u = m / (sqrt(v) + epsilon) + weight_decay w
//   w = w - rate sqrt(1 - beta2^k) / (1 - beta1^k) ratio u
//
// The norms are those of whole parameters, so the caller sums the squares
// over all ranks that have a part of one, between the two loops.
//
// Pure loops over fp32 arrays; any split of the range gives the same bits.
#ifndef AUTOTP_WORKER_OPTIMIZER_LAMB_H_
#define AUTOTP_WORKER_OPTIMIZER_LAMB_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"

namespace autotp::optimizer {

struct LambStep {
  float gradient_factor = 1.0f;  // of clipping
  float beta1 = 0.9f;
  float keep1 = 0.1f;  // 1 - beta1
  float beta2 = 0.999f;
  float keep2 = 0.001f;
  float epsilon = 1e-8f;         // beside the root
  float epsilon_in_root = 0.0f;  // or in it
  float weight_decay = 0.0f;
  double step_size = 0.0;
  double minimum = 0.01;  // of the ratio
  double maximum = 10.0;
};

LambStep MakeLambStep(const v1::OptimizerConfig& config, int64_t step,
                      double learning_rate, double gradient_factor);

void UpdateLambMoments(const LambStep& step, int64_t count,
                       const float* gradients, float* exp_avg,
                       float* exp_avg_sq);

struct LambSquares {
  double weights = 0;
  double directions = 0;
};
LambSquares SumLambSquares(const LambStep& step, int64_t count,
                           const float* weights, const float* exp_avg,
                           const float* exp_avg_sq);

// The norm of the weights over that of the direction, within the bounds; 1
// where one of them is 0.
double LambRatio(const LambStep& step, const LambSquares& squares);

void UpdateLambWeights(const LambStep& step, double ratio, int64_t count,
                       float* weights, const float* exp_avg,
                       const float* exp_avg_sq);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_LAMB_H_
