// exponential.h -- e^x as straight-line code, so that loops around it are
// vectorised. Relative error below 2e-7; -inf and below give about 1e-38,
// NaN stays NaN.
#ifndef AUTOTP_WORKER_KERNEL_CPU_EXPONENTIAL_H_
#define AUTOTP_WORKER_KERNEL_CPU_EXPONENTIAL_H_

#include <bit>
#include <cstdint>

namespace autotp::kernel {

inline float Exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  // x = n ln 2 + r with |r| <= ln 2 / 2; adding 1.5 * 2^23 rounds.
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  // The rounded integer stands in the low bits of `shifted`.
  const int32_t exponent = (std::bit_cast<int32_t>(shifted) - 0x4b400000 + 127)
                           << 23;
  return p * std::bit_cast<float>(exponent);
}

inline float Sigmoid(float x) { return 1.0f / (1.0f + Exponential(-x)); }

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_EXPONENTIAL_H_
