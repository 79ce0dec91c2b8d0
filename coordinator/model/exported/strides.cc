// Every so many positions of a dimension, as positions of a dimension that is
// split: so the halves of a gate that lie interleaved can be cut.
#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;

namespace {

// The slice's step; 0 where its dimension does not split evenly.
int64_t StepOf(const Program& source, const Node& node) {
  if (node.aten != "aten.slice.Tensor" || node.inputs.empty() ||
      node.inputs[0] == kNoValue)
    return 0;
  const Raised slice{node, source, {}};
  const std::vector<int64_t>& shape = source.values[node.inputs[0]].shape;
  const int64_t dim = slice.Dim("dim", 0, shape.size());
  const int64_t step = slice.Integer("step", 1);
  const int64_t start = slice.Integer("start", 0);
  if (dim < 0 || step < 2 || start < 0 || start >= step ||
      shape[dim] % step != 0)
    return 0;
  std::vector<int64_t> some = shape;
  some[dim] /= step;
  return slice.out_shape() == some ? step : 0;
}

ValueId Spread(Rewriter& to, const Raised& slice, int64_t step) {
  const ValueId x = slice.in[0];
  std::vector<int64_t> split = to.ShapeOf(x);
  const int64_t dim = slice.Dim("dim", 0, split.size());
  split[dim] /= step;
  split.insert(split.begin() + dim + 1, step);
  const int64_t start = slice.Integer("start", 0);
  ValueId y = to.Reshape(x, std::move(split));
  if (y != kNoValue) y = to.Slice(y, dim + 1, start, start + 1);
  return y == kNoValue ? y : to.Reshape(y, slice.out_shape());
}

}  // namespace

Program SpreadStrides(Program source) {
  bool any = false;
  for (const Node& node : source.nodes) any = any || StepOf(source, node) != 0;
  if (!any) return source;
  Rewriter to(source);
  for (const Node& node : source.nodes) {
    to.SetScope(node.scope);
    const int64_t step = StepOf(source, node);
    const ValueId spread =
        step == 0
            ? kNoValue
            : Spread(to, {node, source, {to.Mapped(node.inputs[0])}}, step);
    if (spread == kNoValue)
      to.Keep(node);
    else
      to.Map(node.outputs[0], spread);
  }
  return std::move(to).Finish(source.loss);
}

}  // namespace autotp::model
