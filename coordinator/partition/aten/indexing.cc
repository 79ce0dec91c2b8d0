#include <algorithm>

#include "coordinator/partition/aten/kinds.h"

namespace autotp::partition::aten {

// The dimensions that are indexed, and the positions of the indices
// themselves, stay whole.
bool Index(AtenOperation& op) {
  const AtenOperation::Shape* counts = op.List("tensors");
  if (counts == nullptr || counts->size() != 2 || (*counts)[0] != 1 ||
      op.inputs.size() < 2)
    return false;
  size_t first = op.inputs.size();
  size_t last = 0;
  size_t rank = 0;
  for (size_t i = 1; i < op.inputs.size(); ++i) {
    if (!op.Has(i)) continue;
    if (op.program.values[op.node.inputs[i]].kind == program::ValueKind::kBool)
      return false;
    first = std::min(first, i - 1);
    last = std::max(last, i - 1);
    rank = std::max(rank, op.inputs[i].size());
  }
  for (size_t i = first; i <= last; ++i)
    if (!op.Has(i + 1)) return false;
  op.NumberOutput();
  const AtenOperation::Shape& x = op.inputs[0];
  for (size_t d = 0; d < x.size(); ++d) {
    int& label = op.rule.inputs[0][d].label;
    if (d >= first && d <= last) {
      label = op.NewLabel();
      op.Block(label);
      continue;
    }
    const size_t o = d < first ? d : d - (last - first + 1) + rank;
    if (o >= op.output.size() || op.output[o] != x[d]) return false;
    label = static_cast<int>(o);
  }
  for (size_t o = first; o < first + rank && o < op.output.size(); ++o)
    op.Block(static_cast<int>(o));
  return true;
}

bool IndexSelect(AtenOperation& op) {
  if (op.inputs.size() != 2 || op.inputs[0].size() != op.output.size())
    return false;
  const int64_t dim = op.Dim("dim", op.output.size(), 0);
  if (dim < 0) return false;
  op.NumberOutput();
  for (size_t d = 0; d < op.output.size(); ++d) {
    if (static_cast<int64_t>(d) != dim && op.inputs[0][d] != op.output[d])
      return false;
    op.rule.inputs[0][d].label = static_cast<int>(d);
  }
  const int own = op.NewLabel();
  op.rule.inputs[0][dim].label = own;
  op.Block(own);
  op.Block(static_cast<int>(dim));
  return true;
}

}  // namespace autotp::partition::aten
