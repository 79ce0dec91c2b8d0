#include "proto/support/check.h"
#include "worker/collective/communicator.h"

namespace autotp::collective {

int64_t SizeOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return 4;
    case ElementType::kBFloat16:
    case ElementType::kFloat16:
      return 2;
    case ElementType::kFloat64:
    case ElementType::kInt64:
      return 8;
    case ElementType::kByte:
      return 1;
  }
  AUTOTP_CHECK(false, "element type ", static_cast<int>(type));
}

}  // namespace autotp::collective
