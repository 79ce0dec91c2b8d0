#include "coordinator/model/exported/channel_order.h"

#include <utility>
#include <vector>

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

// [.., C / 2, 2] of [.., C].
Shape InPairs(Shape shape) {
  shape.back() /= 2;
  shape.push_back(2);
  return shape;
}

// x of EvenThenOdd(x), also behind its expansion; else kNoValue.
ValueId Before(Rewriter& to, ValueId v) {
  v = to.WithoutCasts(v);
  if (const Node* expand = to.Producer(v, Operation::kExpand)) {
    const Node repeated = *expand;
    const ValueId x = Before(to, repeated.inputs[0]);
    const int64_t last = static_cast<int64_t>(to.ShapeOf(v).size()) - 1;
    return x == kNoValue || IntegerOf(repeated, "dim") == last
               ? kNoValue
               : to.Make(Operation::kExpand, {x}, repeated.attributes);
  }
  const Node* join = to.Producer(v, Operation::kReshape);
  const Node* turn = join == nullptr
                         ? nullptr
                         : to.Producer(join->inputs[0], Operation::kTranspose);
  if (turn == nullptr) return kNoValue;
  const ValueId pairs = turn->inputs[0];
  const Node* split = to.Producer(pairs, Operation::kReshape);
  const auto rank = static_cast<int64_t>(to.ShapeOf(v).size());
  const bool fits = split != nullptr && IntegerOf(*turn, "a") == rank - 1 &&
                    IntegerOf(*turn, "b") == rank &&
                    to.ShapeOf(split->inputs[0]) == to.ShapeOf(v) &&
                    to.ShapeOf(pairs) == InPairs(to.ShapeOf(v));
  return fits ? split->inputs[0] : kNoValue;
}

// Joined of other channels and ordered ones: the former.
ValueId Front(const Rewriter& to, ValueId v) {
  const Node* join = to.Producer(to.WithoutCasts(v), Operation::kConcat);
  const auto last = static_cast<int64_t>(to.ShapeOf(v).size()) - 1;
  return join != nullptr && join->inputs.size() == 2 &&
                 IntegerOf(*join, "dim") == last
             ? join->inputs[0]
             : kNoValue;
}

ValueId Back(const Rewriter& to, ValueId v) {
  return to.Producer(to.WithoutCasts(v))->inputs[1];
}

}  // namespace

ValueId EvenThenOdd(Rewriter& to, ValueId x) {
  const Shape shape = to.ShapeOf(x);
  const auto rank = static_cast<int64_t>(shape.size());
  const ValueId pairs = to.Reshape(x, InPairs(shape));
  if (pairs == kNoValue) return kNoValue;
  return to.Reshape(to.Transpose(pairs, rank - 1, rank), shape);
}

void DropChannelOrder(Rewriter& to, ValueId* queries, ValueId* keys) {
  const ValueId q_front = Front(to, *queries);
  const ValueId k_front = Front(to, *keys);
  if ((q_front == kNoValue) != (k_front == kNoValue)) return;
  const bool joined = q_front != kNoValue;
  if (joined && to.ShapeOf(q_front).back() != to.ShapeOf(k_front).back())
    return;
  const ValueId q = Before(to, joined ? Back(to, *queries) : *queries);
  const ValueId k = Before(to, joined ? Back(to, *keys) : *keys);
  if (q == kNoValue || k == kNoValue) return;
  const auto join = [&](ValueId front, ValueId back, ValueId whole) {
    const auto last = static_cast<int64_t>(to.ShapeOf(whole).size()) - 1;
    return joined ? to.Make(Operation::kConcat, {front, back}, {{"dim", last}})
                  : back;
  };
  const ValueId new_queries = join(q_front, q, *queries);
  const ValueId new_keys = join(k_front, k, *keys);
  if (new_queries == kNoValue || new_keys == kNoValue) return;
  *queries = new_queries;
  *keys = new_keys;
}

}  // namespace autotp::model
