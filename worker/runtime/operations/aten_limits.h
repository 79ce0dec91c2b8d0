// aten_limits.h -- what is known of an ATen node before it runs.
//
// A program states the shape and kind of every value. They are compared with
// what the operator says about itself on the meta device, which has shapes and
// no memory; so a node cannot ask for more than it states. Where an operator
// cannot say, its integer arguments are bounded by the sizes that are stated,
// and its outputs are compared when it has run.
#ifndef AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_LIMITS_H_
#define AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_LIMITS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "worker/runtime/operation.h"
#include "worker/runtime/operations/aten_call.h"

namespace autotp::runtime {

// Elements of one value: 64 GiB of fp32.
inline constexpr int64_t kValueElementsMax = int64_t{1} << 34;

// INVALID_ARGUMENT: what the node asks is refused, or would make other values
// than it states.
absl::Status CheckAtenNode(const NodeInfo& info, const AtenCall& call);

// What a node states about one of its outputs.
struct StatedOutput {
  std::vector<int64_t> shape;
  v1::Value::Kind kind = v1::Value::KIND_UNSPECIFIED;
};
std::vector<StatedOutput> StatedOutputs(const NodeInfo& info);

// INVALID_ARGUMENT where they differ.
absl::Status CheckOutputs(absl::Span<const at::Tensor> outputs,
                          absl::Span<const StatedOutput> stated);

// Integers divide by zero with an exception, but the smallest one by -1 with a
// signal. INVALID_ARGUMENT if these inputs would.
absl::Status CheckDivision(const v1::Node& node,
                           absl::Span<const at::Tensor> inputs);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_LIMITS_H_
