#include "worker/zero/rounding.h"

#include <algorithm>

#include "proto/support/check.h"
#include "worker/kernel/clones.h"
#include "worker/kernel/half.h"

namespace autotp::zero {
namespace {

using collective::ElementType;
using kernel::BFloat16;
using kernel::Float16;

template <typename Half>
AUTOTP_ALWAYS_INLINE void RoundAll(const float* from, int64_t count,
                                   uint16_t* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = Half::Store(from[i]);
}

template <typename Half>
AUTOTP_ALWAYS_INLINE void WidenAll(const uint16_t* from, int64_t count,
                                   float* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = Half::Load(from[i]);
}

template <typename Half>
AUTOTP_ALWAYS_INLINE void AddAll(const float* from, int64_t count,
                                 uint16_t* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i)
    to[i] = Half::Store(Half::Load(to[i]) + from[i]);
}

bool IsHalf(ElementType type) {
  AUTOTP_CHECK(type == ElementType::kFloat32 ||
                   type == ElementType::kBFloat16 ||
                   type == ElementType::kFloat16,
               "element type ", static_cast<int>(type));
  return type != ElementType::kFloat32;
}

AUTOTP_CLONES
void RoundHalf(const float* from, int64_t count, bool bfloat16, uint16_t* to) {
  if (bfloat16) return RoundAll<BFloat16>(from, count, to);
  RoundAll<Float16>(from, count, to);
}

AUTOTP_CLONES
void WidenHalf(const uint16_t* from, int64_t count, bool bfloat16, float* to) {
  if (bfloat16) return WidenAll<BFloat16>(from, count, to);
  WidenAll<Float16>(from, count, to);
}

AUTOTP_CLONES
void AddHalf(const float* from, int64_t count, bool bfloat16, uint16_t* to) {
  if (bfloat16) return AddAll<BFloat16>(from, count, to);
  AddAll<Float16>(from, count, to);
}

AUTOTP_CLONES
void AddFloats(const float* from, int64_t count, float* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

// to = rounded(to + from)
void AddRounded(const float* from, int64_t count, ElementType type, void* to) {
  if (!IsHalf(type)) {
    AddFloats(from, count, static_cast<float*>(to));
  } else {
    AddHalf(from, count, type == ElementType::kBFloat16,
            static_cast<uint16_t*>(to));
  }
}

void* At(void* data, ElementType type, int64_t index) {
  return static_cast<char*>(data) + index * collective::SizeOf(type);
}

// Calls body(at, floats, size) for pieces of 16-bit numbers, widened.
template <typename Body>
void ForFloats(const void* from, ElementType type, int64_t count, Body body) {
  constexpr int64_t kPiece = 1024;  // stays in the first cache
  float floats[kPiece];
  for (int64_t at = 0; at < count; at += kPiece) {
    const int64_t size = std::min(kPiece, count - at);
    Widen(static_cast<const uint16_t*>(from) + at, size, type, floats);
    body(at, floats, size);
  }
}

}  // namespace

void Round(const float* from, int64_t count, ElementType type, void* to) {
  if (!IsHalf(type)) {
    std::copy_n(from, count, static_cast<float*>(to));
  } else {
    RoundHalf(from, count, type == ElementType::kBFloat16,
              static_cast<uint16_t*>(to));
  }
}

void Widen(const void* from, int64_t count, ElementType type, float* to) {
  if (!IsHalf(type)) {
    std::copy_n(static_cast<const float*>(from), count, to);
  } else {
    WidenHalf(static_cast<const uint16_t*>(from), count,
              type == ElementType::kBFloat16, to);
  }
}

void Convert(const void* from, ElementType from_type, int64_t count, void* to,
             ElementType to_type) {
  if (from_type == ElementType::kFloat32)
    return Round(static_cast<const float*>(from), count, to_type, to);
  if (to_type == ElementType::kFloat32)
    return Widen(from, count, from_type, static_cast<float*>(to));
  ForFloats(from, from_type, count,
            [=](int64_t at, const float* floats, int64_t size) {
              Round(floats, size, to_type, At(to, to_type, at));
            });
}

void Accumulate(const void* from, ElementType from_type, int64_t count,
                void* to, ElementType to_type) {
  if (from_type == ElementType::kFloat32)
    return AddRounded(static_cast<const float*>(from), count, to_type, to);
  ForFloats(from, from_type, count,
            [=](int64_t at, const float* floats, int64_t size) {
              AddRounded(floats, size, to_type, At(to, to_type, at));
            });
}

}  // namespace autotp::zero
