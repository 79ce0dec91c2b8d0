// shape_rules.h -- the shape and kind of what each operation yields.
//
// Written once per operation and used by the builder, the checker and the
// partitioner, for whole programs and for local ones alike (local shapes may
// hold zeros: a rank that owns nothing).
#ifndef AUTOTP_COORDINATOR_PROGRAM_SHAPE_RULES_H_
#define AUTOTP_COORDINATOR_PROGRAM_SHAPE_RULES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "coordinator/program/program.h"

namespace autotp::program {

// Outputs of `node` (without names), given the values of its inputs; nullptr
// where an optional input is absent. INVALID_ARGUMENT as CheckSignature, or
// naming the shapes that do not fit; the node itself is not named.
absl::StatusOr<std::vector<Value>> InferOutputs(
    const Node& node, absl::Span<const Value* const> inputs);

// The same, with the inputs looked up in `program`.
// REQUIRES: the ids of node.inputs are values of `program`, or kNoValue.
absl::StatusOr<std::vector<Value>> InferOutputs(const Program& program,
                                                const Node& node);

// "[2,32,64]".
std::string ShapeText(absl::Span<const int64_t> shape);

// Product of the dimensions; 1 for a scalar.
int64_t ElementCount(absl::Span<const int64_t> shape);

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_SHAPE_RULES_H_
