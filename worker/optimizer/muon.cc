#include "worker/optimizer/muon.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "worker/kernel/clones.h"
#include "worker/optimizer/adam.h"

namespace autotp::optimizer {
namespace {

// Of the quintic a x + b x^3 + c x^5: steepest at zero.
constexpr float kA = 3.4445f;
constexpr float kB = -4.7750f;
constexpr float kC = 2.0315f;
constexpr double kSmallestNorm = 1e-7;  // added to the norm

AUTOTP_CLONES
void Scale(float factor, int64_t count, float* values) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) values[i] *= factor;
}

}  // namespace

MuonStep MakeMuonStep(const v1::OptimizerConfig& config, double learning_rate,
                      double gradient_factor) {
  MuonStep out;
  out.gradient_factor = static_cast<float>(gradient_factor);
  out.momentum = static_cast<float>(config.momentum());
  out.keep = static_cast<float>(1 - config.momentum());
  out.nesterov = config.nesterov();
  out.decay = static_cast<float>(1 - learning_rate * config.weight_decay());
  out.rate = learning_rate;
  out.iterations = config.orthogonalization_steps();
  return out;
}

AUTOTP_CLONES
void UpdateMuonMomentum(const MuonStep& step, int64_t count,
                        const float* gradients, float* momentum_buffer,
                        float* directions) {
  const MuonStep s = step;
  const float of_buffer = s.nesterov ? s.momentum : 1.0f;
  const float of_gradient = s.nesterov ? s.keep : 0.0f;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i] * s.gradient_factor;
    const float m = s.momentum * momentum_buffer[i] + s.keep * gradient;
    momentum_buffer[i] = m;
    directions[i] = of_buffer * m + of_gradient * gradient;
  }
}

void Orthogonalize(kernel::MatrixProduct product, int iterations, int64_t rows,
                   int64_t columns, float* matrix,
                   std::vector<float>& scratch) {
  const int64_t count = rows * columns;
  if (count == 0) return;
  const double norm = std::sqrt(SumOfSquares(matrix, count));
  Scale(static_cast<float>(1 / (norm + kSmallestNorm)), count, matrix);
  // X is [n, m] with n <= m: the matrix, or its transpose as it lies there.
  const bool tall = rows > columns;
  const int64_t n = std::min(rows, columns);
  const int64_t m = std::max(rows, columns);
  scratch.resize(static_cast<size_t>(count + 2 * n * n));
  float* x = matrix;
  float* next = scratch.data();
  float* square = next + count;        // A = X X^T
  float* polynomial = square + n * n;  // B = b A + c A A
  for (int i = 0; i < iterations; ++i) {
    product(tall, !tall, n, n, m, 1.0f, x, columns, x, columns, 0.0f, square,
            n);
    std::copy_n(square, n * n, polynomial);
    product(false, false, n, n, n, kC, square, n, square, n, kB, polynomial, n);
    // X = a X + B X; of the transpose: X^T = a X^T + X^T B, B being symmetric.
    std::copy_n(x, count, next);
    if (tall) {
      product(false, false, m, n, n, 1.0f, x, columns, polynomial, n, kA, next,
              columns);
    } else {
      product(false, false, n, m, n, 1.0f, polynomial, n, x, columns, kA, next,
              columns);
    }
    std::swap(x, next);
  }
  if (x != matrix) std::copy_n(x, count, matrix);
}

float MuonStepSize(const MuonStep& step, int64_t rows, int64_t columns) {
  const double shape = static_cast<double>(rows) / static_cast<double>(columns);
  return static_cast<float>(step.rate * std::sqrt(std::max(1.0, shape)));
}

AUTOTP_CLONES
void UpdateMuonWeights(const MuonStep& step, float step_size, int64_t count,
                       const float* directions, float* weights) {
  const float decay = step.decay;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i)
    weights[i] = weights[i] * decay - step_size * directions[i];
}

}  // namespace autotp::optimizer
