#include "worker/collective/arguments.h"

#include "absl/strings/str_cat.h"

namespace autotp::collective {
namespace {

absl::Status CheckBuffer(const Buffer& buffer) {
  if (buffer.count < 0 || (buffer.count > 0 && buffer.data == nullptr)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a buffer of ", buffer.count, " elements at ",
                     buffer.data == nullptr ? "a null pointer" : "an address",
                     "; pass memory for every element"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckReducible(const Buffer& buffer) {
  if (buffer.type == ElementType::kByte) {
    return absl::InvalidArgumentError(
        "bytes can be gathered and broadcast, not reduced; pass a number type");
  }
  return CheckBuffer(buffer);
}

absl::Status CheckParts(const Buffer& whole, const Buffer& part, int size) {
  if (whole.type != part.type || whole.count != part.count * size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a whole of ", whole.count, " elements is not ", size, " parts of ",
        part.count, " of the same type; pass equal parts"));
  }
  if (absl::Status status = CheckBuffer(whole); !status.ok()) return status;
  return CheckBuffer(part);
}

absl::Status CheckRoot(int root, int size) {
  if (root < 0 || root >= size) {
    return absl::InvalidArgumentError(
        absl::StrCat("root ", root, " is not a rank of a group of ", size));
  }
  return absl::OkStatus();
}

}  // namespace autotp::collective
