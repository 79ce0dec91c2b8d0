#include "worker/optimizer/adam.h"

#include <algorithm>
#include <cmath>

#include "worker/kernel/clones.h"

namespace autotp::optimizer {

AdamStep MakeAdamStep(const v1::OptimizerConfig& config, int64_t step,
                      double learning_rate, double gradient_factor) {
  AdamStep out;
  out.beta1 = static_cast<float>(config.beta1());
  out.beta2 = static_cast<float>(config.beta2());
  out.keep1 = static_cast<float>(1 - config.beta1());
  out.keep2 = static_cast<float>(1 - config.beta2());
  out.epsilon = static_cast<float>(config.epsilon());
  out.gradient_factor = static_cast<float>(gradient_factor);
  if (config.decoupled_decay()) {
    out.decay = static_cast<float>(1 - learning_rate * config.weight_decay());
  } else {
    out.l2 = static_cast<float>(config.weight_decay());
  }
  double correction1 = 1.0;
  double correction2 = 1.0;
  if (config.bias_correction()) {
    const double k = static_cast<double>(step);
    correction1 = 1 - std::pow(config.beta1(), k);
    correction2 = 1 - std::pow(config.beta2(), k);
  }
  out.step_size = static_cast<float>(learning_rate / correction1);
  out.inverse_root2 = static_cast<float>(1 / std::sqrt(correction2));
  return out;
}

AUTOTP_CLONES
void UpdateAdam(const AdamStep& step, int64_t count, const float* gradients,
                float* weights, float* exp_avg, float* exp_avg_sq) {
  const AdamStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float weight = weights[i];
    const float gradient = gradients[i] * s.gradient_factor + s.l2 * weight;
    const float m = s.beta1 * exp_avg[i] + s.keep1 * gradient;
    const float v = s.beta2 * exp_avg_sq[i] + s.keep2 * gradient * gradient;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    const float root = std::sqrt(v) * s.inverse_root2 + s.epsilon;
    weights[i] = weight * s.decay - s.step_size * (m / root);
  }
}

double ClipFactor(double norm, double limit) {
  return limit > 0 ? std::min(1.0, limit / (norm + 1e-6)) : 1.0;
}

AUTOTP_CLONES
double SumOfSquares(const float* values, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    const double value = values[i];
    sum += value * value;
  }
  return sum;
}

}  // namespace autotp::optimizer
