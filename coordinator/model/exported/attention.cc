// Causal attention: one operation, or written out with a softmax.
#include <cmath>
#include <optional>
#include <utility>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::Attributes;
using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

// How far back a query sees: 0 is all that came before. Nothing where the mask
// is not a causal one.
std::optional<int64_t> CausalWindow(const Rewriter& to, ValueId mask) {
  mask = to.Narrowest(mask);
  int64_t window = 0;
  if (const Node* upper = to.Producer(mask, "aten.triu.default")) {
    window = 1 - AtenInteger(*upper, "diagonal", 0);
    if (window < 1) return std::nullopt;
    mask = upper->inputs[0];
  }
  const Node* lower = to.Producer(mask, "aten.tril.default");
  if (lower == nullptr || AtenInteger(*lower, "diagonal", 0) != 0)
    return std::nullopt;
  if (to.Producer(lower->inputs[0], "aten.ones.default", 0) == nullptr)
    return std::nullopt;
  return window;
}

// The same of a mask that is added to scores: 0, or very little.
std::optional<int64_t> AddedWindow(const Rewriter& to, ValueId mask) {
  const Node* where = to.Producer(to.Narrowest(mask), "aten.where.self", 3);
  if (where == nullptr ||
      to.Producer(where->inputs[1], "aten.zeros.default", 0) == nullptr)
    return std::nullopt;
  const Node* lowest = to.Producer(where->inputs[2], "aten.full.default", 0);
  if (lowest == nullptr || !(AtenNumber(*lowest, "fill_value", 0) < -1e30))
    return std::nullopt;
  return CausalWindow(to, where->inputs[0]);
}

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

// Key or value heads without their repetition for query heads: that of dim 1
// of [B,H,T,D], or dim 2 of [B,T,H,D] before they were moved and turned.
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

// q of q * factor, whose scores are as much larger.
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

ValueId Attend(Rewriter& to, ValueId q, ValueId k, ValueId v, double scale,
               int64_t window, double soft_cap) {
  q = Unscaled(to, to.WithoutCasts(q), &scale);
  const Shape shape = to.ShapeOf(q);
  if (shape.size() != 4) return kNoValue;
  if (window >= shape[2]) window = 0;
  Attributes attributes = {{"scale", scale}};
  if (window > 0) attributes["window"] = window;
  if (soft_cap > 0) attributes["soft_cap"] = soft_cap;
  const ValueId keys = to.WithoutCasts(WithoutRepeats(to, k));
  const ValueId values = to.WithoutCasts(WithoutRepeats(to, v));
  if (to.ShapeOf(keys).size() != 4 || to.ShapeOf(values).size() != 4 ||
      to.ShapeOf(keys)[1] != to.ShapeOf(values)[1])
    return kNoValue;
  return to.Make(Operation::kAttention, {q, keys, values},
                 std::move(attributes));
}

ValueId Fused(Rewriter& to, const Raised& node) {
  if (node.in.size() < 3 || node.Number("dropout_p", 0) != 0) return kNoValue;
  const Shape q = to.ShapeOf(node.in[0]);
  if (q.size() != 4) return kNoValue;
  int64_t window = 0;
  const ValueId mask = node.in.size() > 3 ? node.in[3] : kNoValue;
  if (mask != kNoValue) {
    std::optional<int64_t> seen = CausalWindow(to, mask);
    if (!seen.has_value()) seen = AddedWindow(to, mask);
    if (!seen.has_value()) return kNoValue;
    window = *seen;
  } else if (!node.Flag("is_causal", false)) {
    return kNoValue;
  }
  const double scale =
      node.Number("scale", 1 / std::sqrt(static_cast<double>(q[3])));
  return Attend(to, node.in[0], node.in[1], node.in[2], scale, window, 0);
}

// softmax(cap(q k^T scale) + mask) v.
ValueId WrittenOut(Rewriter& to, ValueId weights, ValueId v) {
  const Node* softmax =
      to.Producer(to.WithoutCasts(weights), "aten.softmax.int");
  if (softmax == nullptr)
    softmax = to.Producer(to.WithoutCasts(weights), "aten._softmax.default");
  if (softmax == nullptr) return kNoValue;
  const int64_t dim = AtenInteger(*softmax, "dim", 0);
  if (dim != -1 && dim != 3) return kNoValue;
  const Node* masked =
      to.Producer(to.WithoutCasts(softmax->inputs[0]), Operation::kAdd);
  if (masked == nullptr) return kNoValue;
  const std::optional<int64_t> window = AddedWindow(to, masked->inputs[1]);
  if (!window.has_value()) return kNoValue;
  ValueId scores = to.WithoutCasts(masked->inputs[0]);
  double soft_cap = 0;
  if (const Node* cap = to.Producer(scores, Operation::kActivation)) {
    if (TextOf(*cap, "kind") != "soft_cap") return kNoValue;
    soft_cap = NumberOf(*cap, "limit");
    scores = to.WithoutCasts(cap->inputs[0]);
  }
  double scale = 1;
  if (const Node* scaled = to.Producer(scores, Operation::kScale)) {
    scale = NumberOf(*scaled, "factor");
    scores = to.WithoutCasts(scaled->inputs[0]);
  }
  const Node* product = to.Producer(scores, "aten.matmul.default", 2);
  if (product == nullptr) return kNoValue;
  const Node* keys =
      to.Producer(to.WithoutCasts(product->inputs[1]), Operation::kTranspose);
  if (keys == nullptr || IntegerOf(*keys, "a") != 2 ||
      IntegerOf(*keys, "b") != 3)
    return kNoValue;
  return Attend(to, product->inputs[0], keys->inputs[0], v, scale, *window,
                soft_cap);
}

}  // namespace

std::vector<ValueId> RaiseAttention(Rewriter& to, const Raised& node) {
  if (node.name() == "aten.scaled_dot_product_attention.default")
    return {Fused(to, node)};
  if (node.name() == "aten.matmul.default" && node.in.size() == 2 &&
      to.ShapeOf(node.in[0]).size() == 4 && to.ShapeOf(node.in[1]).size() == 4)
    return {WrittenOut(to, node.in[0], node.in[1])};
  return {};
}

}  // namespace autotp::model
