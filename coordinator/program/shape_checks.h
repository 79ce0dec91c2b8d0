// shape_checks.h -- what the rules of shape_rules.h are written with: checks
// that name the input and the shapes that do not fit.
#ifndef AUTOTP_COORDINATOR_PROGRAM_SHAPE_CHECKS_H_
#define AUTOTP_COORDINATOR_PROGRAM_SHAPE_CHECKS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "coordinator/program/program.h"
#include "coordinator/program/shape_rules.h"

namespace autotp::program {

using Shape = std::vector<int64_t>;
using Inputs = absl::Span<const Value* const>;
using ShapeOutputs = absl::StatusOr<std::vector<Value>>;

template <typename... Parts>
absl::Status Misfit(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

inline std::vector<Value> One(Shape shape, ValueKind kind) {
  return {Value{"", std::move(shape), kind}};
}

absl::Status NeedRank(const Value& value, size_t rank, absl::string_view role);
absl::Status NeedShape(const Value& value, const Shape& shape,
                       absl::string_view role);
// No input holds indices.
absl::Status NeedNumbers(Inputs inputs);
absl::Status NeedIndices(const Value& value, absl::string_view role);
// INVALID_ARGUMENT: a negative size, or one of the limits in program.h.
absl::Status CheckLimits(absl::Span<const int64_t> shape);
// The attribute, which has to be a dimension of `value`.
absl::StatusOr<size_t> DimOf(const Node& node, absl::string_view attribute,
                             const Value& value);

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_SHAPE_CHECKS_H_
