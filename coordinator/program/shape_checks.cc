#include "coordinator/program/shape_checks.h"

#include <algorithm>

#include "absl/strings/str_join.h"

namespace autotp::program {

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

absl::Status NeedRank(const Value& value, size_t rank, absl::string_view role) {
  if (value.shape.size() == rank) return absl::OkStatus();
  return Misfit(role, " has shape ", ShapeText(value.shape), ", needs ", rank,
                " dimensions");
}

absl::Status NeedShape(const Value& value, const Shape& shape,
                       absl::string_view role) {
  if (value.shape == shape) return absl::OkStatus();
  return Misfit(role, " has shape ", ShapeText(value.shape), ", needs ",
                ShapeText(shape));
}

absl::Status NeedNumbers(Inputs inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) continue;
    if (inputs[i]->kind == ValueKind::kBool)
      return Misfit("input ", i, " holds truths, needs numbers");
    if (inputs[i]->kind == ValueKind::kIndex)
      return Misfit("input ", i, " holds indices, needs numbers");
  }
  return absl::OkStatus();
}

absl::Status NeedIndices(const Value& value, absl::string_view role) {
  if (value.kind == ValueKind::kIndex) return absl::OkStatus();
  return Misfit(role, " holds numbers, needs indices");
}

absl::Status CheckLimits(absl::Span<const int64_t> shape) {
  if (shape.size() > kMostDims)
    return Misfit(shape.size(), " dimensions, more than ", kMostDims);
  int64_t elements = 1;
  for (const int64_t size : shape) {
    if (size < 0) return Misfit("has shape ", ShapeText(shape));
    if (size > kMostElements ||
        elements > kMostElements / std::max<int64_t>(size, 1)) {
      return Misfit("has shape ", ShapeText(shape), ", more than ",
                    kMostElements, " elements");
    }
    elements *= std::max<int64_t>(size, 1);
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> DimOf(const Node& node, absl::string_view attribute,
                             const Value& value) {
  const int64_t dim = IntegerOf(node, attribute);
  if (dim < 0 || dim >= static_cast<int64_t>(value.shape.size())) {
    return Misfit("'", attribute, "' is ", dim, ", but the input has shape ",
                  ShapeText(value.shape));
  }
  return static_cast<size_t>(dim);
}

}  // namespace autotp::program
