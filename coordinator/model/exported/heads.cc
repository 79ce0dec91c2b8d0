#include "coordinator/model/exported/heads.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

// [B,T,G,D] of [B,T,H,D] that repeats each of them; else kNoValue.
ValueId RepeatedHeads(Rewriter& to, ValueId v) {
  const Node* merge = to.Producer(to.WithoutCasts(v), Operation::kReshape);
  if (merge == nullptr) return kNoValue;
  const Node* expand = to.Producer(merge->inputs[0], Operation::kExpand);
  if (expand == nullptr || IntegerOf(*expand, "dim") != 3) return kNoValue;
  const ValueId heads = expand->inputs[0];
  Shape shape = to.ShapeOf(heads);
  const Shape whole = to.ShapeOf(v);
  if (shape.size() != 5 || whole.size() != 4 || shape[0] != whole[0] ||
      shape[1] != whole[1] || shape[4] != whole[3] ||
      whole[2] != shape[2] * IntegerOf(*expand, "size"))
    return kNoValue;
  shape.erase(shape.begin() + 3);
  return to.Reshape(heads, std::move(shape));
}

}  // namespace

ValueId WithoutRepeats(Rewriter& to, ValueId v) {
  if (const Node* turned =
          to.Producer(to.WithoutCasts(v), Operation::kRotary)) {
    const Node rotary = *turned;
    const ValueId x = WithoutRepeats(to, rotary.inputs[0]);
    return x == rotary.inputs[0]
               ? v
               : to.Make(Operation::kRotary,
                         {x, rotary.inputs[1], rotary.inputs[2]},
                         rotary.attributes);
  }
  if (const Node* moved = to.Producer(v, Operation::kTranspose)) {
    const ValueId heads = RepeatedHeads(to, moved->inputs[0]);
    return heads == kNoValue || IntegerOf(*moved, "a") != 1 ||
                   IntegerOf(*moved, "b") != 2
               ? v
               : to.Transpose(heads, 1, 2);
  }
  const Node* merge = to.Producer(to.WithoutCasts(v), Operation::kReshape);
  if (merge == nullptr) return v;
  const Node* expand = to.Producer(merge->inputs[0], Operation::kExpand);
  if (expand == nullptr || IntegerOf(*expand, "dim") != 2) return v;
  const Node* split = to.Producer(expand->inputs[0], Operation::kReshape);
  if (split == nullptr) return v;
  const Shape& heads = to.ShapeOf(split->inputs[0]);
  const Shape& whole = to.ShapeOf(v);
  const bool fits = heads.size() == 4 && whole.size() == 4 &&
                    to.ShapeOf(expand->inputs[0]) ==
                        Shape{heads[0], heads[1], 1, heads[2], heads[3]} &&
                    whole[0] == heads[0] && whole[2] == heads[2] &&
                    whole[3] == heads[3] &&
                    whole[1] == heads[1] * IntegerOf(*expand, "size");
  return fits ? split->inputs[0] : v;
}

ValueId Unscaled(Rewriter& to, ValueId q, double* scale) {
  const Node* found = to.Producer(q);
  if (found == nullptr) return q;
  const Node node = *found;
  if (node.operation == Operation::kScale && !FlagOf(node, "rounded", false)) {
    *scale *= NumberOf(node, "factor");
    return node.inputs[0];
  }
  if (node.operation != Operation::kTranspose &&
      node.operation != Operation::kReshape)
    return q;
  const ValueId x = Unscaled(to, node.inputs[0], scale);
  if (x == node.inputs[0]) return q;
  return node.operation == Operation::kReshape
             ? to.Reshape(x, to.ShapeOf(q))
             : to.Transpose(x, IntegerOf(node, "a"), IntegerOf(node, "b"));
}

ValueId WithBatch(const Rewriter& to, ValueId v) {
  const Node* merge = to.Producer(to.WithoutCasts(v), Operation::kReshape);
  if (merge == nullptr) return kNoValue;
  const ValueId before = merge->inputs[0];
  Shape merged = to.ShapeOf(before);
  if (merged.size() < 2) return kNoValue;
  merged[1] *= merged[0];
  merged.erase(merged.begin());
  return merged == to.ShapeOf(v) ? before : kNoValue;
}

ValueId AlibiOf(const Rewriter& to, ValueId v) {
  const Shape shape = to.ShapeOf(v);
  if (shape.size() < 3 || shape[shape.size() - 2] != 1) return kNoValue;
  std::vector<int64_t> repeated;  // numbers behind each dimension of repeats
  for (;;) {
    v = to.WithoutCasts(v);
    const Node* node = to.Producer(v);
    if (node == nullptr) return kNoValue;
    if (node->operation == Operation::kAlibiTable) break;
    if (node->operation == Operation::kExpand) {
      const Shape& whole = to.ShapeOf(v);
      int64_t behind = 1;
      for (size_t d = IntegerOf(*node, "dim") + 1; d < whole.size(); ++d)
        behind *= whole[d];
      repeated.push_back(behind);
    } else if (node->operation != Operation::kReshape) {
      return kNoValue;
    }
    v = node->inputs[0];
  }
  const Shape& table = to.ShapeOf(v);
  if (table[0] * table[1] == 0) return kNoValue;
  const bool whole = std::all_of(
      repeated.begin(), repeated.end(),
      [&](int64_t behind) { return behind % (table[0] * table[1]) == 0; });
  const bool four = shape.size() == 4 && shape[1] == table[0];
  const bool three = shape.size() == 3 && shape[0] % table[0] == 0;
  return whole && (four || three) && shape.back() == table[1] ? v : kNoValue;
}

}  // namespace autotp::model
