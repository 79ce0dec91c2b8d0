#include "worker/kernel/cpu/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "worker/kernel/clones.h"
#include "worker/kernel/cpu/exponential.h"

namespace autotp::kernel {

AUTOTP_CLONES
float SoftmaxRow(float* row, int64_t from, int64_t count, int64_t size) {
  float* seen = row + from;
  std::fill(row, seen, 0.0f);
  std::fill(seen + count, row + size, 0.0f);
  float top = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < count; ++i) top = top < seen[i] ? seen[i] : top;
  if (top == -std::numeric_limits<float>::infinity()) {
    std::fill(seen, seen + count, 0.0f);
    return std::numeric_limits<float>::infinity();  // makes the same of these
  }
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    const float e = Exponential(seen[i] - top);
    seen[i] = e;
    sum += e;
  }
  const float inverse = 1.0f / sum;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) seen[i] *= inverse;
  return top + std::log(sum);
}

AUTOTP_CLONES
void SoftmaxRowBackward(float* row, float* gradient, int64_t from,
                        int64_t count, int64_t size, float log_sum, float dot,
                        float scale) {
  std::fill(row, row + from, 0.0f);
  std::fill(row + from + count, row + size, 0.0f);
  std::fill(gradient, gradient + from, 0.0f);
  std::fill(gradient + from + count, gradient + size, 0.0f);
  float* p = row + from;
  float* g = gradient + from;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float e = Exponential(p[i] - log_sum);
    p[i] = e;
    g[i] = scale * e * (g[i] - dot);
  }
}

}  // namespace autotp::kernel
