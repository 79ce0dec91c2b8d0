// half.h -- the two 16-bit number types: one number to and from fp32.
//
// To fp32 is exact. From fp32: to nearest, ties to even; NaN stays NaN, what
// is too large becomes infinite. No branches, so that loops vectorise.
#ifndef AUTOTP_WORKER_KERNEL_HALF_H_
#define AUTOTP_WORKER_KERNEL_HALF_H_

#include <bit>
#include <cstdint>

#define AUTOTP_ALWAYS_INLINE inline __attribute__((always_inline))

namespace autotp::kernel {

struct BFloat16 {
  using Stored = uint16_t;
  using Value = float;
  static AUTOTP_ALWAYS_INLINE float Load(uint16_t x) {
    return std::bit_cast<float>(static_cast<uint32_t>(x) << 16);
  }
  static AUTOTP_ALWAYS_INLINE uint16_t Store(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    return static_cast<uint16_t>(nan ? 0x7fc0 : rounded);
  }
};

struct Float16 {
  using Stored = uint16_t;
  using Value = float;
  static AUTOTP_ALWAYS_INLINE float Load(uint16_t x) {
    const uint32_t sign = static_cast<uint32_t>(x & 0x8000) << 16;
    const uint32_t magnitude = x & 0x7fff;
    // As an fp32 number with the exponent 112 too small; the product with
    // 2^112 is exact and gives subnormals their leading one.
    const float scaled = std::bit_cast<float>(magnitude << 13) *
                         std::bit_cast<float>(0x77800000u);
    const uint32_t finite = std::bit_cast<uint32_t>(scaled);
    const uint32_t special = 0x7f800000u | (magnitude << 13);
    return std::bit_cast<float>(sign |
                                (magnitude >= 0x7c00 ? special : finite));
  }
  static AUTOTP_ALWAYS_INLINE uint16_t Store(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    const uint32_t sign = (bits >> 16) & 0x8000;
    const uint32_t magnitude = bits & 0x7fffffff;
    const uint32_t normal =
        (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    // Adding 1/2 shifts a subnormal's bits to the right place and rounds them.
    const uint32_t subnormal =
        std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
        std::bit_cast<uint32_t>(0.5f);
    uint32_t result = magnitude < (113u << 23) ? subnormal : normal;
    result = magnitude >= 0x477ff000u ? 0x7c00 : result;  // 65520 and above
    result = magnitude > 0x7f800000u ? 0x7e00 : result;
    return static_cast<uint16_t>(sign | result);
  }
};

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_HALF_H_
