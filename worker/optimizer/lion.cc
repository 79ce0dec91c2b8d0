#include "worker/optimizer/lion.h"

#include "worker/kernel/clones.h"

namespace autotp::optimizer {

LionStep MakeLionStep(const v1::OptimizerConfig& config, double learning_rate,
                      double gradient_factor) {
  LionStep out;
  out.gradient_factor = static_cast<float>(gradient_factor);
  out.beta1 = static_cast<float>(config.beta1());
  out.keep1 = static_cast<float>(1 - config.beta1());
  out.beta2 = static_cast<float>(config.beta2());
  out.keep2 = static_cast<float>(1 - config.beta2());
  out.decay = static_cast<float>(1 - learning_rate * config.weight_decay());
  out.rate = static_cast<float>(learning_rate);
  return out;
}

AUTOTP_CLONES
void UpdateLion(const LionStep& step, int64_t count, const float* gradients,
                float* weights, float* exp_avg) {
  const LionStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i] * s.gradient_factor;
    const float m = exp_avg[i];
    const float c = s.beta1 * m + s.keep1 * gradient;
    const float sign = (c > 0 ? 1.0f : 0.0f) - (c < 0 ? 1.0f : 0.0f);
    weights[i] = weights[i] * s.decay - s.rate * sign;
    exp_avg[i] = s.beta2 * m + s.keep2 * gradient;
  }
}

}  // namespace autotp::optimizer
