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

// A number so low that its exponential is zero.
bool IsLowest(const Rewriter& to, ValueId v) {
  const Node* full = to.Producer(v, "aten.full.default", 0);
  return full != nullptr && AtenNumber(*full, "fill_value", 0) < -1e30;
}

// The same of a mask that is added to scores: 0, or very little.
std::optional<int64_t> AddedWindow(const Rewriter& to, ValueId mask) {
  const Node* where = to.Producer(to.Narrowest(mask), "aten.where.self", 3);
  if (where == nullptr ||
      to.Producer(where->inputs[1], "aten.zeros.default", 0) == nullptr)
    return std::nullopt;
  if (!IsLowest(to, where->inputs[2])) return std::nullopt;
  return CausalWindow(to, where->inputs[0]);
}

// Key or value heads without their repetition for query heads.
ValueId WithoutRepeats(const Rewriter& to, ValueId v) {
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

ValueId Attend(Rewriter& to, ValueId q, ValueId k, ValueId v, double scale,
               int64_t window, double soft_cap) {
  q = to.WithoutCasts(q);
  const Shape& shape = to.ShapeOf(q);
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
  ValueId logits = to.WithoutCasts(softmax->inputs[0]);
  // Not below the least number, which the mask's already are.
  if (const Node* limited = to.Producer(logits, "aten.max.other", 2);
      limited != nullptr && IsLowest(to, limited->inputs[1]))
    logits = to.WithoutCasts(limited->inputs[0]);
  const Node* masked = to.Producer(logits, Operation::kAdd);
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
  return {};
}

ValueId MatchAttention(Rewriter& to, ValueId v) {
  const Node* product = to.Producer(v, "aten.matmul.default", 2);
  if (product == nullptr || to.ShapeOf(product->inputs[0]).size() != 4 ||
      to.ShapeOf(product->inputs[1]).size() != 4)
    return v;
  const Shape shape = to.ShapeOf(v);
  const ValueId attended =
      WrittenOut(to, product->inputs[0], product->inputs[1]);
  return attended != kNoValue && to.ShapeOf(attended) == shape ? attended : v;
}

}  // namespace autotp::model
