#include <variant>

#include "coordinator/partition/aten/kinds.h"
#include "coordinator/partition/aten_rules.h"

namespace autotp::partition::aten {

bool Convolution(AtenOperation& op) {
  if (op.inputs.size() < 2 || op.output.size() < 3 ||
      op.inputs[0].size() != op.output.size() ||
      op.inputs[1].size() != op.output.size())
    return false;
  op.NumberOutput();
  const bool depthwise = IsDepthwise(op.program, op.node);
  const program::Attribute* groups = op.Find("groups");
  if (!depthwise && groups != nullptr &&
      *groups != program::Attribute(int64_t{1}))
    return false;
  AtenOperation::Labels& x = op.rule.inputs[0];
  AtenOperation::Labels& w = op.rule.inputs[1];
  x[0].label = 0;
  w[0].label = 1;
  w[1].label = op.NewLabel();
  if (depthwise) {
    x[1].label = 1;
    op.Block(w[1].label);  // of length one
  } else {
    x[1].label = w[1].label;
    // A bias would be added by each.
    if (op.Has(2))
      op.Block(w[1].label);
    else
      op.rule.summed |= AtenOperation::Bit(w[1].label);
  }
  op.rule.needed = AtenOperation::Bit(1) | AtenOperation::Bit(w[1].label);
  for (size_t d = 2; d < op.output.size(); ++d) {
    op.Block(static_cast<int>(d));
    for (AtenOperation::Labels* labels : {&x, &w}) {
      (*labels)[d].label = op.NewLabel();
      op.Block((*labels)[d].label);
    }
  }
  if (op.inputs.size() > 2 && !op.inputs[2].empty())
    op.rule.inputs[2][0].label = 1;
  return true;
}

}  // namespace autotp::partition::aten

namespace autotp::partition {

bool IsDepthwise(const program::Program& program, const program::Node& node) {
  const auto found = node.attributes.find("groups");
  const auto* groups = found == node.attributes.end()
                           ? nullptr
                           : std::get_if<int64_t>(&found->second);
  if (groups == nullptr || *groups <= 1 || node.inputs.size() < 2 ||
      node.inputs[0] == program::kNoValue ||
      node.inputs[1] == program::kNoValue)
    return false;
  const AtenOperation::Shape& x = program.values[node.inputs[0]].shape;
  const AtenOperation::Shape& w = program.values[node.inputs[1]].shape;
  return x.size() > 1 && w.size() > 1 && x[1] == *groups && w[0] == *groups &&
         w[1] == 1;
}

}  // namespace autotp::partition
