// Causal attention: one operation, or written out with a softmax.
#include <cmath>
#include <limits>
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

struct Scores {
  double scale = 1;
  int64_t window = 0;
  double soft_cap = 0;
  double dropout = 0;
  int64_t stream = 0;
};

ValueId Attend(Rewriter& to, ValueId q, ValueId k, ValueId v,
               const Scores& scores) {
  q = to.WithoutCasts(q);
  const Shape& shape = to.ShapeOf(q);
  if (shape.size() != 4) return kNoValue;
  Attributes attributes = {{"scale", scores.scale}};
  if (scores.window > 0 && scores.window < shape[2])
    attributes["window"] = scores.window;
  if (scores.soft_cap > 0) attributes["soft_cap"] = scores.soft_cap;
  if (scores.dropout > 0) {
    attributes["dropout"] = scores.dropout;
    attributes["stream"] = scores.stream;
  }
  const ValueId keys = to.WithoutCasts(WithoutRepeats(to, k));
  const ValueId values = to.WithoutCasts(WithoutRepeats(to, v));
  if (to.ShapeOf(keys).size() != 4 || to.ShapeOf(values).size() != 4 ||
      to.ShapeOf(keys)[1] != to.ShapeOf(values)[1])
    return kNoValue;
  return to.Make(Operation::kAttention, {q, keys, values},
                 std::move(attributes));
}

// Heads that each serve several query heads, repeated for them.
ValueId Repeated(Rewriter& to, ValueId heads, int64_t count) {
  const Shape shape = to.ShapeOf(heads);
  if (shape.size() != 4 || shape[1] == count) return heads;
  if (shape[1] == 0 || count % shape[1] != 0) return kNoValue;
  const ValueId apart =
      to.Reshape(heads, {shape[0], shape[1], 1, shape[2], shape[3]});
  const ValueId repeated =
      to.Make(Operation::kExpand, {apart},
              {{"dim", int64_t{2}}, {"size", count / shape[1]}});
  return repeated == kNoValue
             ? repeated
             : to.Reshape(repeated, {shape[0], count, shape[2], shape[3]});
}

// Attention with a mask of any kind and dropout: there is no operation for it.
ValueId WriteOut(Rewriter& to, const Raised& node, ValueId mask,
                 const Scores& options) {
  const ValueId q = to.WithoutCasts(node.in[0]);
  const Shape queries = to.ShapeOf(q);
  const auto rank = static_cast<int64_t>(queries.size());
  if (rank < 2 || node.Flag("is_causal", false)) return kNoValue;
  const bool grouped = node.Flag("enable_gqa", false) && rank == 4;
  const int64_t heads = grouped ? queries[1] : 0;
  const ValueId keys = grouped ? Repeated(to, node.in[1], heads) : node.in[1];
  const ValueId values = grouped ? Repeated(to, node.in[2], heads) : node.in[2];
  if (keys == kNoValue || values == kNoValue) return kNoValue;
  if (to.ShapeOf(keys).size() != queries.size()) return kNoValue;
  const program::Value out = node.source.values[node.node.outputs[0]];
  program::Value scores = out;
  scores.shape.back() = to.ShapeOf(keys)[rank - 2];
  const ValueId turned = to.Transpose(keys, rank - 2, rank - 1);
  ValueId weights = to.MakeAten("aten.matmul.default", {q, turned}, scores);
  weights = to.Make(Operation::kScale, {weights}, {{"factor", options.scale}});
  const bool allows =
      mask != kNoValue && to.ValueOf(mask).kind == program::ValueKind::kBool;
  if (allows) {
    const ValueId never =
        to.MakeAten("aten.full.default", {}, {"", {}, scores.kind},
                    {{"size", Shape{}},
                     {"fill_value", -std::numeric_limits<double>::infinity()}});
    weights = to.MakeAten("aten.where.self", {mask, weights, never}, scores);
  } else if (mask != kNoValue) {
    weights = to.MakeAten("aten.add.Tensor", {weights, mask}, scores);
  }
  // A query that may see nothing gets nothing.
  weights =
      to.MakeAten(allows ? "aten._safe_softmax.default" : "aten.softmax.int",
                  {weights}, scores, {{"dim", int64_t{-1}}});
  weights = Drop(to, weights, options.dropout, options.stream, node.source);
  if (weights == kNoValue) return kNoValue;
  return to.MakeAten("aten.matmul.default", {weights, values}, out);
}

ValueId Fused(Rewriter& to, const Raised& node) {
  if (node.in.size() < 3) return kNoValue;
  const Shape q = to.ShapeOf(node.in[0]);
  if (q.empty()) return kNoValue;
  Scores scores;
  scores.scale =
      node.Number("scale", 1 / std::sqrt(static_cast<double>(q.back())));
  scores.dropout = node.Number("dropout_p", 0);
  if (scores.dropout != 0) scores.stream = to.NextStream();
  const ValueId mask = node.in.size() > 3 ? node.in[3] : kNoValue;
  std::optional<int64_t> window;
  if (mask != kNoValue) {
    window = CausalWindow(to, mask);
    if (!window.has_value()) window = AddedWindow(to, mask);
  } else if (node.Flag("is_causal", false)) {
    window = 0;
  }
  ValueId made = kNoValue;
  if (window.has_value() && q.size() == 4) {
    scores.window = *window;
    made = Attend(to, node.in[0], node.in[1], node.in[2], scores);
  }
  return made == kNoValue && scores.dropout != 0
             ? WriteOut(to, node, mask, scores)
             : made;
}

// softmax(cap(q k^T scale) + mask) v.
ValueId WrittenOut(Rewriter& to, ValueId weights, ValueId v) {
  Scores options;
  weights = to.WithoutCasts(weights);
  if (const Node* drop = to.Producer(weights, Operation::kDropout)) {
    options.dropout = NumberOf(*drop, "probability");
    options.stream = IntegerOf(*drop, "stream");
    weights = drop->inputs[0];
  }
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
  options.window = *window;
  ValueId scores = to.WithoutCasts(masked->inputs[0]);
  if (const Node* cap = to.Producer(scores, Operation::kActivation)) {
    if (TextOf(*cap, "kind") != "soft_cap") return kNoValue;
    options.soft_cap = NumberOf(*cap, "limit");
    scores = to.WithoutCasts(cap->inputs[0]);
  }
  if (const Node* scaled = to.Producer(scores, Operation::kScale)) {
    options.scale = NumberOf(*scaled, "factor");
    scores = to.WithoutCasts(scaled->inputs[0]);
  }
  const Node* product = to.Producer(scores, "aten.matmul.default", 2);
  if (product == nullptr) return kNoValue;
  const Node* keys =
      to.Producer(to.WithoutCasts(product->inputs[1]), Operation::kTranspose);
  if (keys == nullptr || IntegerOf(*keys, "a") != 2 ||
      IntegerOf(*keys, "b") != 3)
    return kNoValue;
  return Attend(to, product->inputs[0], keys->inputs[0], v, options);
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
