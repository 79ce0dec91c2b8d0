// numbers.h -- buffers of any element type, filled with small whole numbers.
//
// Whole numbers up to 100 are exact in every type, and so are their sums over
// a few ranks: what a collective yields can be compared for equality.
#ifndef AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_NUMBERS_H_
#define AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_NUMBERS_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "worker/collective/communicator.h"

namespace autotp::collective {

inline constexpr ElementType kNumberTypes[] = {
    ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat16,
    ElementType::kFloat64, ElementType::kInt64};

inline std::string NameOf(ElementType type) {
  const char* const names[] = {"float32", "bfloat16", "float16",
                               "float64", "int64",    "byte"};
  return names[static_cast<int>(type)];
}

// The bits of a whole number from -100 to 100.
inline uint64_t BitsOf(ElementType type, int number) {
  const float single = static_cast<float>(number);
  switch (type) {
    case ElementType::kFloat32:
      return std::bit_cast<uint32_t>(single);
    case ElementType::kBFloat16:
      return std::bit_cast<uint32_t>(single) >> 16;
    case ElementType::kFloat16: {
      if (number == 0) return 0;
      const uint32_t bits = std::bit_cast<uint32_t>(single);
      return ((bits >> 16) & 0x8000) |
             (((bits & 0x7fffffff) - (112u << 23)) >> 13);
    }
    case ElementType::kFloat64:
      return std::bit_cast<uint64_t>(static_cast<double>(number));
    case ElementType::kInt64:
      return static_cast<uint64_t>(static_cast<int64_t>(number));
    case ElementType::kByte:
      return static_cast<uint8_t>(number);
  }
  return 0;
}

// Element i of rank r before the collective.
inline int NumberOf(int rank, int64_t i) {
  return static_cast<int>((i * 7 + rank * 13 + i / 31 * rank) % 23) - 11;
}

// `numbers(i)` for i in [0, count), as `type`.
template <typename Numbers>
std::vector<std::byte> Fill(ElementType type, int64_t count, Numbers numbers) {
  const int64_t width = SizeOf(type);
  std::vector<std::byte> bytes(count * width);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t bits = BitsOf(type, numbers(i));
    std::memcpy(bytes.data() + i * width, &bits, width);
  }
  return bytes;
}

}  // namespace autotp::collective

#endif  // AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_NUMBERS_H_
