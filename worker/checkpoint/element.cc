#include "worker/checkpoint/element.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "worker/kernel/half.h"

namespace autotp::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors bytes are copied as they are");

template <typename Half>
void Narrow(const float* values, int64_t count, char* bytes) {
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t half = Half::Store(values[i]);
    std::memcpy(bytes + 2 * i, &half, sizeof(half));
  }
}

template <typename Half>
void Widen(const char* bytes, int64_t count, float* values) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, bytes + 2 * i, sizeof(half));
    values[i] = Half::Load(half);
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
      return Narrow<kernel::BFloat16>(values, count, out);
    case Element::kFloat16:
      return Narrow<kernel::Float16>(values, count, out);
  }
}

void ToFloat(const void* bytes, int64_t count, Element element, float* values) {
  const char* in = static_cast<const char*>(bytes);
  switch (element) {
    case Element::kFloat32:
      std::memcpy(values, in, 4 * count);
      return;
    case Element::kBFloat16:
      return Widen<kernel::BFloat16>(in, count, values);
    case Element::kFloat16:
      return Widen<kernel::Float16>(in, count, values);
  }
}

}  // namespace autotp::checkpoint
