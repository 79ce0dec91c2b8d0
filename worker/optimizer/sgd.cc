#include "worker/optimizer/sgd.h"

#include "worker/kernel/clones.h"

namespace autotp::optimizer {

SgdStep MakeSgdStep(const v1::OptimizerConfig& config, int64_t step,
                    double learning_rate, double gradient_factor) {
  SgdStep out;
  out.gradient_factor = static_cast<float>(gradient_factor);
  out.l2 = static_cast<float>(config.weight_decay());
  out.momentum = static_cast<float>(config.momentum());
  out.keep = step == 1 ? 1.0f : static_cast<float>(1 - config.dampening());
  out.rate = static_cast<float>(learning_rate);
  out.nesterov = config.nesterov();
  return out;
}

AUTOTP_CLONES
void UpdateSgd(const SgdStep& step, int64_t count, const float* gradients,
               float* weights, float* buffer) {
  const SgdStep s = step;
  if (buffer == nullptr) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const float weight = weights[i];
      const float gradient = gradients[i] * s.gradient_factor + s.l2 * weight;
      weights[i] = weight - s.rate * gradient;
    }
    return;
  }
  // d or b alone: one of the two factors is 0.
  const float of_gradient = s.nesterov ? 1.0f : 0.0f;
  const float of_buffer = s.nesterov ? s.momentum : 1.0f;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float weight = weights[i];
    const float gradient = gradients[i] * s.gradient_factor + s.l2 * weight;
    const float b = s.momentum * buffer[i] + s.keep * gradient;
    buffer[i] = b;
    weights[i] = weight - s.rate * (of_gradient * gradient + of_buffer * b);
  }
}

}  // namespace autotp::optimizer
