#include "worker/optimizer/adagrad.h"

#include <cmath>

#include "worker/kernel/clones.h"

namespace autotp::optimizer {

AdagradStep MakeAdagradStep(const v1::OptimizerConfig& config, int64_t step,
                            double learning_rate, double gradient_factor) {
  AdagradStep out;
  out.gradient_factor = static_cast<float>(gradient_factor);
  out.l2 = static_cast<float>(config.weight_decay());
  out.epsilon = static_cast<float>(config.epsilon());
  out.rate =
      static_cast<float>(learning_rate / (1 + static_cast<double>(step - 1) *
                                                  config.rate_decay()));
  return out;
}

AUTOTP_CLONES
void UpdateAdagrad(const AdagradStep& step, int64_t count,
                   const float* gradients, float* weights, float* sum) {
  const AdagradStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float weight = weights[i];
    const float gradient = gradients[i] * s.gradient_factor + s.l2 * weight;
    const float total = sum[i] + gradient * gradient;
    sum[i] = total;
    weights[i] = weight - s.rate * (gradient / (std::sqrt(total) + s.epsilon));
  }
}

}  // namespace autotp::optimizer
