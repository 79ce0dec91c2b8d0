#include "worker/zero/stochastic_rounding.h"

#include <bit>

#include "worker/kernel/clones.h"
#include "worker/kernel/half.h"

namespace autotp::zero {
namespace {

// A bijection of 32 bits whose every output bit depends on every input bit.
AUTOTP_ALWAYS_INLINE uint32_t Mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x21f0aaad;
  x ^= x >> 15;
  x *= 0x735a2d97;
  x ^= x >> 15;
  return x;
}

uint64_t Mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  x ^= x >> 31;
  return x;
}

AUTOTP_ALWAYS_INLINE uint32_t Chance(uint64_t key, uint64_t place) {
  const uint32_t high = static_cast<uint32_t>(place >> 32);
  return Mix(static_cast<uint32_t>(key >> 32) + high * 0x9e3779b9 +
             Mix(static_cast<uint32_t>(place) ^ static_cast<uint32_t>(key)));
}

// Truncates after a random number below one unit of the last place was added.
AUTOTP_ALWAYS_INLINE uint16_t ToBFloat16(float x, uint32_t chance) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t special = (bits >> 16) | (bits & 0xffff ? 0x40 : 0);
  const uint32_t rounded = (bits + (chance >> 16)) >> 16;
  const bool finite = (bits & 0x7f800000) != 0x7f800000;
  return static_cast<uint16_t>(finite ? rounded : special);
}

AUTOTP_ALWAYS_INLINE uint16_t ToFloat16(float x, uint32_t chance) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  // 13 bits fall away of a number of fp16's normal range.
  const uint32_t normal = (magnitude - (112u << 23) + (chance >> 19)) >> 13;
  // Below it units are 2^-24: so many, and a random part of one more.
  const float units = std::bit_cast<float>(magnitude) * 0x1p24f;
  const float above = static_cast<float>(chance >> 8) * 0x1p-24f;
  const int32_t whole =
      static_cast<int32_t>(magnitude < (113u << 23) ? units : 0.0f);
  const float rest = units - static_cast<float>(whole);
  const uint32_t subnormal =
      static_cast<uint32_t>(whole) + (above < rest ? 1u : 0u);
  uint32_t result = magnitude < (113u << 23) ? subnormal : normal;
  result = result > 0x7c00 || magnitude >= 0x7f800000u ? 0x7c00 : result;
  result = magnitude > 0x7f800000u ? 0x7e00 : result;
  return static_cast<uint16_t>(sign | result);
}

AUTOTP_CLONES
void RoundAll(uint64_t key, uint64_t first, int64_t count, bool bfloat16,
              const float* from, uint16_t* to) {
  if (bfloat16) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i)
      to[i] =
          ToBFloat16(from[i], Chance(key, first + static_cast<uint64_t>(i)));
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < count; ++i)
    to[i] = ToFloat16(from[i], Chance(key, first + static_cast<uint64_t>(i)));
}

}  // namespace

uint64_t RoundingKey(uint64_t seed, absl::string_view parameter, int array,
                     int64_t step) {
  uint64_t key = Mix64(seed + 0x9e3779b97f4a7c15);
  for (const char letter : parameter)
    key = Mix64(key + static_cast<unsigned char>(letter) + 1);
  key = Mix64(key + static_cast<uint64_t>(step));
  return Mix64(key + static_cast<uint64_t>(array) + 1);
}

void RoundStochastically(uint64_t key, int64_t first, int64_t count,
                         const float* from, Numbers to) {
  RoundAll(key, static_cast<uint64_t>(first), count,
           to.type == collective::ElementType::kBFloat16, from,
           static_cast<uint16_t*>(to.data));
}

}  // namespace autotp::zero
