#include "worker/kernel/cpu/cross_entropy.h"

#include <algorithm>
#include <limits>

#include "worker/kernel/clones.h"
#include "worker/kernel/cpu/exponential.h"

namespace autotp::kernel {

AUTOTP_CLONES
void RowMaximum(const float* logits, int64_t rows, int64_t columns,
                float* maximum) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* in = logits + row * columns;
    float best = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : best)
    for (int64_t i = 0; i < columns; ++i) best = best < in[i] ? in[i] : best;
    maximum[row] = best;
  }
}

AUTOTP_CLONES
void Exponentiate(float* logits, const int64_t* targets, const float* maximum,
                  int64_t rows, int64_t columns, float* sum, float* target) {
  for (int64_t row = 0; row < rows; ++row) {
    float* values = logits + row * columns;
    sum[row] = 1.0f;
    target[row] = 0.0f;
    if (targets[row] == kIgnored) continue;
    const float top = maximum[row];
    if (targets[row] >= 0) target[row] = values[targets[row]] - top;
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < columns; ++i) {
      const float e = Exponential(values[i] - top);
      values[i] = e;
      total += e;
    }
    sum[row] = total;
  }
}

AUTOTP_CLONES
void ToGradient(float* values, const int64_t* targets, const float* sum,
                int64_t rows, int64_t columns, float factor) {
  for (int64_t row = 0; row < rows; ++row) {
    float* out = values + row * columns;
    if (targets[row] == kIgnored) {
      std::fill(out, out + columns, 0.0f);
      continue;
    }
    const float scale = factor / sum[row];
#pragma omp simd
    for (int64_t i = 0; i < columns; ++i) out[i] *= scale;
    if (targets[row] >= 0) out[targets[row]] -= factor;
  }
}

}  // namespace autotp::kernel
