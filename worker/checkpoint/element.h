// element.h -- stored element types, and fp32 to and from them.
//
// Pure. Little-endian hosts only (checked at compile time).
#ifndef AUTOTP_WORKER_CHECKPOINT_ELEMENT_H_
#define AUTOTP_WORKER_CHECKPOINT_ELEMENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/common.pb.h"

namespace autotp::checkpoint {

enum class Element { kFloat32, kBFloat16, kFloat16 };

int64_t SizeOf(Element element);                 // bytes
absl::string_view ElementName(Element element);  // "F32", "BF16", "F16"

// INVALID_ARGUMENT: not a type that weights are stored in.
absl::StatusOr<Element> ElementOf(v1::DataType type);

// fp32 -> element: round to nearest, ties to even; NaN stays NaN; what is too
// large becomes infinite. Element -> fp32 is exact. `count` elements; the
// buffers may not overlap.
void FromFloat(const float* values, int64_t count, Element element,
               void* bytes);
void ToFloat(const void* bytes, int64_t count, Element element, float* values);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_ELEMENT_H_
