// Rotary embeddings: x cos + turned(x) sin, over all channels or the first.
#include <algorithm>
#include <utility>

#include "coordinator/model/exported/channel_order.h"
#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

// A value without the reshapes and casts that stand before it.
ValueId Bare(const Rewriter& to, ValueId v) {
  for (;;) {
    v = to.WithoutCasts(v);
    const Node* reshape = to.Producer(v, Operation::kReshape);
    if (reshape == nullptr) return v;
    v = reshape->inputs[0];
  }
}

struct Table {
  const Node* node = nullptr;  // the rotary table
  ValueId value = kNoValue;    // cos or sin
  bool neighbours = false;     // each angle twice in a row
  int time = -1;               // dimension of the factor that is positions
};

// The table behind a factor of `rank` dimensions, all but two of length one.
Table TableOf(const Rewriter& to, ValueId factor, size_t rank) {
  Table table;
  const Shape shape = to.ShapeOf(factor);
  ValueId v = Bare(to, factor);
  if (const Node* repeat = to.Producer(v, Operation::kExpand)) {
    if (IntegerOf(*repeat, "size") != 2 || to.ShapeOf(v).size() != 3 ||
        IntegerOf(*repeat, "dim") != 2)
      return {};
    const ValueId half = Bare(to, repeat->inputs[0]);
    const Node* slice = to.Producer(half, Operation::kSlice);
    if (slice == nullptr || to.ShapeOf(half).size() != 2 ||
        IntegerOf(*slice, "dim") != 1 || IntegerOf(*slice, "begin") != 0)
      return {};
    v = slice->inputs[0];
    if (to.ShapeOf(v)[1] != 2 * to.ShapeOf(half)[1]) return {};
    table.neighbours = true;
  }
  table.node = to.Producer(v, Operation::kRotaryTable);
  if (table.node == nullptr) return {};
  table.value = v;
  // [.., T, .., R] with ones elsewhere, aligned at the right of x.
  int found = -1;
  for (size_t d = 0; d + 1 < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    if (found >= 0 || shape[d] != to.ShapeOf(v)[0]) return {};
    found = static_cast<int>(d);
  }
  if (found < 0 || shape.back() != to.ShapeOf(v)[1]) return {};
  table.time = found + static_cast<int>(rank - shape.size());
  return table;
}

bool IsSlice(const Rewriter& to, ValueId v, ValueId x, int64_t begin,
             int64_t end) {
  const Node* slice = to.Producer(v, Operation::kSlice);
  const auto last = static_cast<int64_t>(to.ShapeOf(x).size()) - 1;
  return slice != nullptr && slice->inputs[0] == x &&
         IntegerOf(*slice, "dim") == last &&
         IntegerOf(*slice, "begin") == begin && IntegerOf(*slice, "end") == end;
}

// Every second channel of x, from `start` on.
bool IsEverySecond(const Rewriter& to, ValueId v, ValueId x, int64_t start) {
  const Node* slice = to.Producer(v, "aten.slice.Tensor");
  if (slice == nullptr || slice->inputs[0] != x) return false;
  const auto rank = static_cast<int64_t>(to.ShapeOf(x).size());
  const int64_t dim = AtenInteger(*slice, "dim", 0);
  return (dim == rank - 1 || dim == -1) &&
         AtenInteger(*slice, "step", 1) == 2 &&
         AtenInteger(*slice, "start", 0) == start;
}

// Is `v` x with each pair (a, b) turned to (-b, a)? Pairs are halves or
// neighbours.
bool IsTurned(const Rewriter& to, ValueId v, ValueId x, bool neighbours) {
  const int64_t width = to.ShapeOf(x).back();
  v = neighbours ? Bare(to, v) : to.WithoutCasts(v);
  const Node* join = to.Producer(v, Operation::kConcat);
  if (join == nullptr || join->inputs.size() != 2) return false;
  const auto last = static_cast<int64_t>(to.ShapeOf(v).size()) - 1;
  if (IntegerOf(*join, "dim") != last) return false;
  const ValueId first =
      neighbours ? Bare(to, join->inputs[0]) : join->inputs[0];
  const ValueId second =
      neighbours ? Bare(to, join->inputs[1]) : join->inputs[1];
  const Node* negative = to.Producer(first, "aten.neg.default");
  if (negative == nullptr) return false;
  if (neighbours) {
    return IsEverySecond(to, negative->inputs[0], x, 1) &&
           IsEverySecond(to, second, x, 0);
  }
  return IsSlice(to, negative->inputs[0], x, width / 2, width) &&
         IsSlice(to, second, x, 0, width / 2);
}

ValueId Rotate(Rewriter& to, ValueId x, const Node& table, bool neighbours,
               int time) {
  program::Attributes attributes;
  if (neighbours) attributes["interleaved"] = true;
  const std::vector<ValueId> tables = table.outputs;
  if (time == 2) {
    return to.Make(Operation::kRotary, {x, tables[0], tables[1]},
                   std::move(attributes));
  }
  // [B,T,H,D]: heads come before the positions.
  const ValueId heads = to.Transpose(x, 1, 2);
  const ValueId turned = to.Make(
      Operation::kRotary, {heads, tables[0], tables[1]}, std::move(attributes));
  return turned == kNoValue ? turned : to.Transpose(turned, 1, 2);
}

ValueId MatchSum(Rewriter& to, ValueId v, const Node& sum) {
  const size_t rank = to.ShapeOf(v).size();
  if (rank != 4) return v;
  for (int i : {0, 1}) {
    const Node* straight =
        to.Producer(to.WithoutCasts(sum.inputs[i]), Operation::kMul);
    const Node* crossed =
        to.Producer(to.WithoutCasts(sum.inputs[1 - i]), Operation::kMul);
    if (straight == nullptr || crossed == nullptr) return v;
    const Table cos = TableOf(to, straight->inputs[1], rank);
    const Table sin = TableOf(to, crossed->inputs[1], rank);
    if (cos.node == nullptr || cos.node != sin.node ||
        cos.value != cos.node->outputs[0] ||
        sin.value != sin.node->outputs[1] || cos.time != sin.time ||
        (cos.time != 1 && cos.time != 2) || cos.neighbours != sin.neighbours)
      continue;
    const ValueId x = straight->inputs[0];
    const ValueId bare = to.WithoutCasts(x);
    const bool turned = IsTurned(to, crossed->inputs[0], x, cos.neighbours) ||
                        IsTurned(to, crossed->inputs[0], bare, cos.neighbours);
    if (!turned) continue;
    const Node table = *cos.node;
    const ValueId made = Rotate(to, bare, table, cos.neighbours, cos.time);
    return made == kNoValue ? v : made;
  }
  return v;
}

// The first channels turned, the rest as they are: one operation.
ValueId MatchPart(Rewriter& to, ValueId v, const Node& join) {
  const auto last = static_cast<int64_t>(to.ShapeOf(v).size()) - 1;
  if (last != 3 || join.inputs.size() != 2 || IntegerOf(join, "dim") != last)
    return v;
  ValueId head = to.WithoutCasts(join.inputs[0]);
  const Node* back = to.Producer(head, Operation::kTranspose);
  if (back != nullptr) head = back->inputs[0];
  const Node* turned = to.Producer(head, Operation::kRotary);
  if (turned == nullptr) return v;
  ValueId part = turned->inputs[0];
  if (back != nullptr) {
    const Node* there = to.Producer(part, Operation::kTranspose);
    if (there == nullptr) return v;
    part = there->inputs[0];
  }
  const Node* slice = to.Producer(part, Operation::kSlice);
  if (slice == nullptr) return v;
  const ValueId x = slice->inputs[0];
  const int64_t width = to.ShapeOf(part).back();
  if (!IsSlice(to, part, x, 0, width) ||
      !IsSlice(to, to.WithoutCasts(join.inputs[1]), x, width,
               to.ShapeOf(x).back()) ||
      to.ShapeOf(x) != to.ShapeOf(v))
    return v;
  Node table;
  table.outputs = {turned->inputs[1], turned->inputs[2]};
  const bool neighbours = FlagOf(*turned, "interleaved", false);
  const ValueId made =
      Rotate(to, x, table, neighbours, back == nullptr ? 2 : 1);
  return made == kNoValue ? v : made;
}

// x of a product of x's even or odd channels with a table of one angle for
// each pair; which of both, and of which table.
struct Half {
  ValueId x = kNoValue;
  bool odd = false;
  const Node* table = nullptr;
  bool sine = false;
};

Half HalfOf(const Rewriter& to, ValueId v) {
  const Node* product = to.Producer(to.WithoutCasts(v), Operation::kMul);
  if (product == nullptr) return {};
  const ValueId channels = to.WithoutCasts(product->inputs[0]);
  const Node* every_second = to.Producer(channels, "aten.slice.Tensor");
  if (every_second == nullptr) return {};
  Half half;
  half.x = every_second->inputs[0];
  half.odd = AtenInteger(*every_second, "start", 0) == 1;
  if (!IsEverySecond(to, channels, half.x, half.odd ? 1 : 0)) return {};
  // [T, R / 2] of [T, R], for heads before positions.
  const ValueId angles = Bare(to, product->inputs[1]);
  const Shape shape = to.ShapeOf(angles);
  const Node* slice = to.Producer(angles, Operation::kSlice);
  const Shape factor = to.ShapeOf(product->inputs[1]);
  const bool ones =
      factor.size() >= 2 && std::all_of(factor.begin(), factor.end() - 2,
                                        [](int64_t size) { return size == 1; });
  const bool fits =
      slice != nullptr && ones && IntegerOf(*slice, "dim") == 1 &&
      IntegerOf(*slice, "begin") == 0 && to.ShapeOf(channels).size() == 4 &&
      shape == Shape{to.ShapeOf(channels)[2], to.ShapeOf(channels)[3]} &&
      factor[factor.size() - 2] == shape[0] &&
      to.ShapeOf(slice->inputs[0])[1] == to.ShapeOf(half.x)[3];
  if (!fits) return {};
  half.table = to.Producer(slice->inputs[0], Operation::kRotaryTable);
  if (half.table == nullptr) return {};
  half.sine = slice->inputs[0] == half.table->outputs[1];
  return half;
}

// even cos - odd sin, then odd cos + even sin: neighbours turned, and the
// first of each pair put before the second ones.
ValueId MatchReordered(Rewriter& to, ValueId v, const Node& join) {
  if (to.ShapeOf(v).size() != 4 || join.inputs.size() != 2 ||
      IntegerOf(join, "dim") != 3)
    return v;
  const Node* first =
      to.Producer(to.WithoutCasts(join.inputs[0]), "aten.sub.Tensor", 2);
  const Node* second =
      to.Producer(to.WithoutCasts(join.inputs[1]), Operation::kAdd);
  if (first == nullptr || second == nullptr ||
      AtenNumber(*first, "alpha", 1) != 1)
    return v;
  const Half halves[] = {
      HalfOf(to, first->inputs[0]), HalfOf(to, first->inputs[1]),
      HalfOf(to, second->inputs[0]), HalfOf(to, second->inputs[1])};
  constexpr bool kOdd[] = {false, true, true, false};
  constexpr bool kSine[] = {false, true, false, true};
  for (int i = 0; i < 4; ++i) {
    if (halves[i].table == nullptr || halves[i].x != halves[0].x ||
        halves[i].table != halves[0].table || halves[i].odd != kOdd[i] ||
        halves[i].sine != kSine[i])
      return v;
  }
  const Node table = *halves[0].table;
  const ValueId turned =
      Rotate(to, to.WithoutCasts(halves[0].x), table, /*neighbours=*/true, 2);
  const ValueId made = turned == kNoValue ? turned : EvenThenOdd(to, turned);
  return made == kNoValue ? v : made;
}

}  // namespace

ValueId MatchRotary(Rewriter& to, ValueId v) {
  if (const Node* sum = to.Producer(v, Operation::kAdd)) {
    const Node copy = *sum;
    return MatchSum(to, v, copy);
  }
  if (const Node* join = to.Producer(v, Operation::kConcat)) {
    const Node copy = *join;
    const ValueId part = MatchPart(to, v, copy);
    return part == v ? MatchReordered(to, v, copy) : part;
  }
  return v;
}

}  // namespace autotp::model
