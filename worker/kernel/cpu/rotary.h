// rotary.h -- rotary position embedding: pairs of channels are turned.
//
// x is [batch, heads, tokens, width] with any strides but 1 in the last
// dimension; so is y. cos and sin are [tokens, turned], contiguous; the
// channels from `turned` on are copied.
#ifndef AUTOTP_WORKER_KERNEL_CPU_ROTARY_H_
#define AUTOTP_WORKER_KERNEL_CPU_ROTARY_H_

#include <cstdint>

namespace autotp::kernel {

// Distances between neighbours of a dimension, in elements.
struct HeadStrides {
  int64_t batch = 0;
  int64_t head = 0;
  int64_t token = 0;
};

struct RotaryShape {
  int64_t heads = 0;
  int64_t tokens = 0;
  int64_t width = 0;
  int64_t turned = 0;        // even, at most `width`
  bool interleaved = false;  // pairs are neighbours, not turned / 2 apart
};

// Rows [begin, end) of the batch * tokens rows, all heads of each. `inverse`
// rotates back: the gradient.
void Rotate(const float* x, const HeadStrides& x_strides, const float* cos,
            const float* sin, const RotaryShape& shape, int64_t begin,
            int64_t end, bool inverse, float* y, const HeadStrides& y_strides);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_ROTARY_H_
