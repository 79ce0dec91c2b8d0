#include "coordinator/partition/aten/kinds.h"

namespace autotp::partition::aten {

namespace {

bool LastWhole(AtenOperation& op, size_t count) {
  if (!Pointwise(op) || op.output.size() < count) return false;
  for (size_t i = 1; i <= count; ++i)
    op.Block(static_cast<int>(op.output.size() - i));
  return true;
}

}  // namespace

bool Pointwise(AtenOperation& op) {
  op.NumberOutput();
  for (size_t i = 0; i < op.inputs.size(); ++i)
    if (!op.Align(i)) return false;
  return true;
}

bool PointwiseButLastTwo(AtenOperation& op) { return LastWhole(op, 2); }

bool PointwiseButNormed(AtenOperation& op) {
  const AtenOperation::Shape* dims = op.List("normalized_shape");
  return dims != nullptr && LastWhole(op, dims->size());
}

}  // namespace autotp::partition::aten
