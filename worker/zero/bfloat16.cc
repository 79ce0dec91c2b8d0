#include "worker/zero/bfloat16.h"

#include <bit>

#include "worker/kernel/clones.h"

namespace autotp::zero {

AUTOTP_CLONES
void RoundToBFloat16(const float* from, int64_t count, uint16_t* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(from[i]);
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    to[i] = static_cast<uint16_t>(nan ? 0x7fc0 : rounded);
  }
}

}  // namespace autotp::zero
