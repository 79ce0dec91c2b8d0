#include "worker/kernel/cpu/scores.h"

#include <cmath>
#include <limits>

#include "worker/kernel/clones.h"
#include "worker/kernel/cpu/exponential.h"

namespace autotp::kernel {
namespace {

// Straight-line code; relative error below 1e-6. Near zero, where the quotient
// would cancel, Taylor's polynomial.
inline float HyperbolicTangent(float x) {
  constexpr float kNear = 0.4f;
  const float size = std::fabs(x);
  const float e = Exponential(-2.0f * size);
  const float far = (1.0f - e) / (1.0f + e);
  const float s = x * x;
  float p = 21844.0f / 6081075.0f;
  p = p * s - 1382.0f / 155925.0f;
  p = p * s + 62.0f / 2835.0f;
  p = p * s - 17.0f / 315.0f;
  p = p * s + 2.0f / 15.0f;
  p = p * s - 1.0f / 3.0f;
  const float near = size + size * s * p;
  return std::copysign(size < kNear ? near : far, x);
}

}  // namespace

AUTOTP_CLONES
void SoftCapRow(float* row, int64_t count, float limit, float* slope) {
  const float inverse = 1.0f / limit;
  if (slope == nullptr) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
      row[i] = limit * HyperbolicTangent(row[i] * inverse);
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float bent = HyperbolicTangent(row[i] * inverse);
    row[i] = limit * bent;
    slope[i] = 1.0f - bent * bent;
  }
}

AUTOTP_CLONES
void HideRow(const bool* seen, int64_t count, float* row) {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) row[i] = seen[i] ? row[i] : kHidden;
}

AUTOTP_CLONES
void AddRow(const float* other, int64_t count, float* row) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) row[i] += other[i];
}

AUTOTP_CLONES
void MultiplyRow(const float* other, int64_t count, float* row) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) row[i] *= other[i];
}

}  // namespace autotp::kernel
