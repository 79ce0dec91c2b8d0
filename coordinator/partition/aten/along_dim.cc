#include "coordinator/partition/aten/kinds.h"

namespace autotp::partition::aten {

namespace {

bool Along(AtenOperation& op, absl::string_view attribute, int64_t fallback) {
  if (op.inputs.empty() || !op.SameRank()) return false;
  op.AlignEqual();
  const size_t rank = op.output.size();
  const AtenOperation::Shape dims = op.Dims(attribute, rank, {fallback});
  if (dims.size() > rank) return false;
  for (const int64_t dim : dims) {
    if (dim < 0 || dim >= static_cast<int64_t>(rank)) return false;
    op.KeepWhole(dim);
  }
  return op.AllLabelled();
}

}  // namespace

bool AlongDim(AtenOperation& op) { return Along(op, "dim", 0); }
bool AlongLastDim(AtenOperation& op) { return Along(op, "dim", -1); }
bool AlongDims(AtenOperation& op) { return Along(op, "dims", 0); }

bool ScatterSelect(AtenOperation& op) {
  const size_t rank = op.output.size();
  const int64_t dim = op.Dim("dim", rank, 0);
  if (op.inputs.size() != 2 || op.inputs[0] != op.output || dim < 0)
    return false;
  AtenOperation::Shape piece = op.output;
  piece.erase(piece.begin() + dim);
  if (op.inputs[1] != piece) return false;
  op.NumberOutput();
  op.Align(0);
  for (int64_t d = 0; d < static_cast<int64_t>(piece.size()); ++d)
    op.rule.inputs[1][d].label = static_cast<int>(d < dim ? d : d + 1);
  op.Block(static_cast<int>(dim));
  return true;
}

bool Pad(AtenOperation& op) {
  const AtenOperation::Shape* pad = op.List("pad");
  if (pad == nullptr || !op.SameRank() || op.inputs.size() != 1) return false;
  op.AlignEqual();
  for (size_t i = 0; i < pad->size() / 2 && i < op.output.size(); ++i)
    op.KeepWhole(static_cast<int64_t>(op.output.size() - 1 - i));
  return op.AllLabelled();
}

}  // namespace autotp::partition::aten
