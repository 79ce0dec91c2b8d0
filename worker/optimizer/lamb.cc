#include "worker/optimizer/lamb.h"

#include <algorithm>
#include <cmath>

#include "worker/kernel/clones.h"

namespace autotp::optimizer {
namespace {

inline float Direction(const LambStep& s, float weight, float m, float v) {
  return m / (std::sqrt(v + s.epsilon_in_root) + s.epsilon) +
         s.weight_decay * weight;
}

}  // namespace

LambStep MakeLambStep(const v1::OptimizerConfig& config, int64_t step,
                      double learning_rate, double gradient_factor) {
  LambStep out;
  out.gradient_factor = static_cast<float>(gradient_factor);
  out.beta1 = static_cast<float>(config.beta1());
  out.keep1 = static_cast<float>(1 - config.beta1());
  out.beta2 = static_cast<float>(config.beta2());
  out.keep2 = static_cast<float>(1 - config.beta2());
  const float epsilon = static_cast<float>(config.epsilon());
  out.epsilon = config.epsilon_in_root() ? 0.0f : epsilon;
  out.epsilon_in_root = config.epsilon_in_root() ? epsilon : 0.0f;
  out.weight_decay = static_cast<float>(config.weight_decay());
  out.step_size = learning_rate;
  if (config.bias_correction()) {
    const double k = static_cast<double>(step);
    out.step_size *= std::sqrt(1 - std::pow(config.beta2(), k)) /
                     (1 - std::pow(config.beta1(), k));
  }
  out.minimum = config.minimum_coefficient();
  out.maximum = config.maximum_coefficient();
  return out;
}

AUTOTP_CLONES
void UpdateLambMoments(const LambStep& step, int64_t count,
                       const float* gradients, float* exp_avg,
                       float* exp_avg_sq) {
  const LambStep s = step;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i] * s.gradient_factor;
    exp_avg[i] = s.beta1 * exp_avg[i] + s.keep1 * gradient;
    exp_avg_sq[i] = s.beta2 * exp_avg_sq[i] + s.keep2 * gradient * gradient;
  }
}

AUTOTP_CLONES
LambSquares SumLambSquares(const LambStep& step, int64_t count,
                           const float* weights, const float* exp_avg,
                           const float* exp_avg_sq) {
  const LambStep s = step;
  double sum_w = 0;
  double sum_u = 0;
#pragma omp simd reduction(+ : sum_w, sum_u)
  for (int64_t i = 0; i < count; ++i) {
    const double w = weights[i];
    const double u = Direction(s, weights[i], exp_avg[i], exp_avg_sq[i]);
    sum_w += w * w;
    sum_u += u * u;
  }
  return {sum_w, sum_u};
}

double LambRatio(const LambStep& step, const LambSquares& squares) {
  if (squares.weights == 0 || squares.directions == 0) return 1;
  const double ratio = std::sqrt(squares.weights / squares.directions);
  return std::max(std::min(ratio, step.maximum), step.minimum);
}

AUTOTP_CLONES
void UpdateLambWeights(const LambStep& step, double ratio, int64_t count,
                       float* weights, const float* exp_avg,
                       const float* exp_avg_sq) {
  const LambStep s = step;
  const float size = static_cast<float>(s.step_size * ratio);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float weight = weights[i];
    weights[i] =
        weight - size * Direction(s, weight, exp_avg[i], exp_avg_sq[i]);
  }
}

}  // namespace autotp::optimizer
