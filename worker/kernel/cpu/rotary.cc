#include "worker/kernel/cpu/rotary.h"

#include <algorithm>

#include "worker/kernel/clones.h"

namespace autotp::kernel {
namespace {

// One head of one token. The gradient takes sin from the other half, with the
// other sign: cos and sin need not repeat, scaled tables included.
template <bool kInverse>
inline void RotateRow(const float* x, const float* cos, const float* sin,
                      int64_t half, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float low = x[i];
    const float high = x[i + half];
    if constexpr (kInverse) {
      y[i] = low * cos[i] + high * sin[i + half];
      y[i + half] = high * cos[i + half] - low * sin[i];
    } else {
      y[i] = low * cos[i] - high * sin[i];
      y[i + half] = high * cos[i + half] + low * sin[i + half];
    }
  }
}

// The same with pairs of neighbours, whose cos and sin stand at i and i + half.
template <bool kInverse>
inline void RotateNeighbours(const float* x, const float* cos, const float* sin,
                             int64_t half, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float low = x[2 * i];
    const float high = x[2 * i + 1];
    if constexpr (kInverse) {
      y[2 * i] = low * cos[i] + high * sin[i + half];
      y[2 * i + 1] = high * cos[i + half] - low * sin[i];
    } else {
      y[2 * i] = low * cos[i] - high * sin[i];
      y[2 * i + 1] = high * cos[i + half] + low * sin[i + half];
    }
  }
}

}  // namespace

AUTOTP_CLONES
void Rotate(const float* x, const HeadStrides& x_strides, const float* cos,
            const float* sin, const RotaryShape& shape, int64_t begin,
            int64_t end, bool inverse, float* y, const HeadStrides& y_strides) {
  const int64_t half = shape.turned / 2;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t batch = row / shape.tokens;
    const int64_t token = row % shape.tokens;
    const float* c = cos + token * shape.turned;
    const float* s = sin + token * shape.turned;
    const float* in = x + batch * x_strides.batch + token * x_strides.token;
    float* out = y + batch * y_strides.batch + token * y_strides.token;
    for (int64_t head = 0; head < shape.heads; ++head) {
      if (shape.interleaved) {
        (inverse ? RotateNeighbours<true> : RotateNeighbours<false>)(in, c, s,
                                                                     half, out);
      } else if (inverse) {
        RotateRow<true>(in, c, s, half, out);
      } else {
        RotateRow<false>(in, c, s, half, out);
      }
      std::copy(in + shape.turned, in + shape.width, out + shape.turned);
      in += x_strides.head;
      out += y_strides.head;
    }
  }
}

}  // namespace autotp::kernel
