// aten_allowed.h -- which of ATen's operators a program may call.
//
// A program is data that somebody else wrote. What it may call computes new
// tensors from its arguments and does nothing else: no operator that writes
// into an argument, keeps state, reads a file or makes as many numbers as the
// data say, and none that ends the process on empty tensors (_weight_norm
// does). A unit test holds the list against the operators' own schemas.
#ifndef AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_ALLOWED_H_
#define AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_ALLOWED_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace autotp::runtime {

// "add.Tensor", "relu.default", ..., sorted.
absl::Span<const absl::string_view> AllowedAtenOperators();

// `name`: without the prefix "aten.".
bool IsAllowedAtenOperator(absl::string_view name);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_ALLOWED_H_
