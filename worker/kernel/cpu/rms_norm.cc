#include "worker/kernel/cpu/rms_norm.h"

#include <cmath>

#include "worker/kernel/clones.h"

namespace autotp::kernel {

AUTOTP_CLONES
void RmsNormForward(const float* x, const float* weight, int64_t rows,
                    int64_t columns, float epsilon, float* y,
                    float* inverse_rms) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* in = x + row * columns;
    float* out = y + row * columns;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < columns; ++i) sum += in[i] * in[i];
    const float inverse =
        1.0f / std::sqrt(sum / static_cast<float>(columns) + epsilon);
    inverse_rms[row] = inverse;
#pragma omp simd
    for (int64_t i = 0; i < columns; ++i) out[i] = in[i] * inverse * weight[i];
  }
}

AUTOTP_CLONES
void RmsNormBackward(const float* dy, const float* x, const float* weight,
                     const float* inverse_rms, int64_t rows, int64_t columns,
                     bool add, float* dx, float* dweight) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* g = dy + row * columns;
    const float* in = x + row * columns;
    float* out = dx + row * columns;
    const float inverse = inverse_rms[row];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < columns; ++i) {
      dot += g[i] * weight[i] * in[i];
      dweight[i] += g[i] * in[i] * inverse;
    }
    const float pull =
        dot * inverse * inverse * inverse / static_cast<float>(columns);
    if (add) {
#pragma omp simd
      for (int64_t i = 0; i < columns; ++i)
        out[i] += g[i] * weight[i] * inverse - in[i] * pull;
    } else {
#pragma omp simd
      for (int64_t i = 0; i < columns; ++i)
        out[i] = g[i] * weight[i] * inverse - in[i] * pull;
    }
  }
}

}  // namespace autotp::kernel
