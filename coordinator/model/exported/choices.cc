#include "coordinator/model/exported/choices.h"

#include <vector>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

}  // namespace

bool IsLast(const Rewriter& to, ValueId v, int64_t dim) {
  return dim == -1 || dim + 1 == static_cast<int64_t>(to.ShapeOf(v).size());
}

ValueId BeforeRows(const Rewriter& to, ValueId v) {
  const Node* rows = to.Producer(v, Operation::kReshape);
  if (rows == nullptr) return v;
  const Shape& before = to.ShapeOf(rows->inputs[0]);
  return !before.empty() && before.back() == to.ShapeOf(v).back()
             ? rows->inputs[0]
             : v;
}

const Node* TopK(const Rewriter& to, ValueId v, size_t output) {
  const Node* node = to.Producer(v, Operation::kAten);
  const bool fits = node != nullptr && node->aten == "aten.topk.default" &&
                    node->inputs.size() == 1 && node->inputs[0] != kNoValue &&
                    node->outputs.size() == 2 && node->outputs[output] == v &&
                    AtenFlag(*node, "largest", true) &&
                    IsLast(to, node->inputs[0], AtenInteger(*node, "dim", -1));
  return fits ? node : nullptr;
}

ValueId SoftmaxOf(const Rewriter& to, ValueId v) {
  v = to.WithoutCasts(v);
  const Node* softmax = to.Producer(v, "aten.softmax.int");
  if (softmax == nullptr) softmax = to.Producer(v, "aten._softmax.default");
  if (softmax == nullptr || !IsLast(to, v, AtenInteger(*softmax, "dim", 0)))
    return kNoValue;
  return to.WithoutCasts(softmax->inputs[0]);
}

ValueId SummedOver(const Rewriter& to, ValueId v, int64_t dim, bool keeps) {
  const Node* sum = to.Producer(to.WithoutCasts(v), "aten.sum.dim_IntList");
  if (sum == nullptr || AtenFlag(*sum, "keepdim", false) != keeps)
    return kNoValue;
  const Shape dims = AtenIntegers(*sum, "dim");
  const bool fits =
      dims.size() == 1 &&
      (dims[0] == dim || (dim == -1 && IsLast(to, sum->inputs[0], dims[0])));
  return fits ? to.WithoutCasts(sum->inputs[0]) : kNoValue;
}

}  // namespace autotp::model
