#include "worker/checkpoint/element.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace autotp::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors bytes are copied as they are");

uint16_t ToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  // Adding half of the last kept place, less one where that place is even.
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float FromBFloat16(uint16_t half) {
  return std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

uint16_t ToFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7E00;   // NaN
  if (magnitude >= 0x47800000) return sign | 0x7C00;  // 65536 and above
  if (magnitude < 0x38800000) {                       // below 2^-14: subnormal
    // 0.5 has its last place at 2^-24, so the addition does the rounding.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) -
                                        std::bit_cast<uint32_t>(0.5f));
  }
  const uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000) >> 13);
}

float FromFloat16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1F;
  const uint32_t mantissa = half & 0x3FF;
  if (exponent == 0) {
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 0xFF : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

template <uint16_t (*Convert)(float)>
void Narrow(const float* values, int64_t count, char* bytes) {
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t half = Convert(values[i]);
    std::memcpy(bytes + 2 * i, &half, sizeof(half));
  }
}

template <float (*Convert)(uint16_t)>
void Widen(const char* bytes, int64_t count, float* values) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, bytes + 2 * i, sizeof(half));
    values[i] = Convert(half);
  }
}

}  // namespace

int64_t SizeOf(Element element) { return element == Element::kFloat32 ? 4 : 2; }

absl::string_view ElementName(Element element) {
  switch (element) {
    case Element::kFloat32:
      return "F32";
    case Element::kBFloat16:
      return "BF16";
    case Element::kFloat16:
      return "F16";
  }
  return "";
}

absl::StatusOr<Element> ElementOf(v1::DataType type) {
  switch (type) {
    case v1::DATA_TYPE_FLOAT32:
      return Element::kFloat32;
    case v1::DATA_TYPE_BFLOAT16:
      return Element::kBFloat16;
    case v1::DATA_TYPE_FLOAT16:
      return Element::kFloat16;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("weights can't be stored as ", v1::DataType_Name(type),
                       "; use fp32, bf16 or fp16"));
  }
}

void FromFloat(const float* values, int64_t count, Element element,
               void* bytes) {
  char* out = static_cast<char*>(bytes);
  switch (element) {
    case Element::kFloat32:
      std::memcpy(out, values, 4 * count);
      return;
    case Element::kBFloat16:
      return Narrow<ToBFloat16>(values, count, out);
    case Element::kFloat16:
      return Narrow<ToFloat16>(values, count, out);
  }
}

void ToFloat(const void* bytes, int64_t count, Element element, float* values) {
  const char* in = static_cast<const char*>(bytes);
  switch (element) {
    case Element::kFloat32:
      std::memcpy(values, in, 4 * count);
      return;
    case Element::kBFloat16:
      return Widen<FromBFloat16>(in, count, values);
    case Element::kFloat16:
      return Widen<FromFloat16>(in, count, values);
  }
}

}  // namespace autotp::checkpoint
