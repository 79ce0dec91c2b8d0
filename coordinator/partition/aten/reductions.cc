#include <algorithm>

#include "coordinator/partition/aten/kinds.h"

namespace autotp::partition::aten {

namespace {

bool Reduce(AtenOperation& op, uint64_t PlacementRule::*what_of_reduced) {
  if (op.inputs.size() != 1) return false;
  const AtenOperation::Shape& in = op.inputs[0];
  const auto rank = static_cast<int64_t>(in.size());
  AtenOperation::Shape all;
  for (int64_t d = 0; d < rank; ++d) all.push_back(d);
  AtenOperation::Shape dims = op.Dims("dim", in.size(), all);
  if (dims.empty()) dims = all;
  const bool keeps = in.size() == op.output.size() && rank > 0;
  size_t o = 0;
  for (int64_t d = 0; d < rank; ++d) {
    const int label = static_cast<int>(d);
    op.rule.inputs[0][d].label = label;
    if (std::count(dims.begin(), dims.end(), d) != 0) {
      op.rule.*what_of_reduced |= AtenOperation::Bit(label);
      if (keeps) ++o;
      continue;
    }
    if (o >= op.output.size() || op.output[o] != in[d]) return false;
    op.rule.output[o++].label = label;
  }
  return o == op.output.size();
}

}  // namespace

bool Sum(AtenOperation& op) { return Reduce(op, &PlacementRule::summed); }
bool Reduction(AtenOperation& op) {
  return Reduce(op, &PlacementRule::blocked);
}

}  // namespace autotp::partition::aten
