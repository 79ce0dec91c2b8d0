// Attention: one operation, or written out with a softmax.
#include <cmath>
#include <optional>
#include <utility>

#include "coordinator/model/exported/channel_order.h"
#include "coordinator/model/exported/heads.h"
#include "coordinator/model/exported/masks.h"
#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::Attributes;
using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

struct Scores {
  double scale = 1;
  Mask mask;
  double soft_cap = 0;
  double dropout = 0;
  int64_t stream = 0;
};

// Attention by what a mask says; kNoValue where it is none of ours.
ValueId Attend(Rewriter& to, ValueId q, ValueId k, ValueId v,
               const Scores& scores) {
  const Mask& mask = scores.mask;
  double scale = scores.scale;
  q = Unscaled(to, to.WithoutCasts(q), &scale);
  ValueId keys = to.WithoutCasts(WithoutRepeats(to, k));
  DropChannelOrder(to, &q, &keys);
  const ValueId values = to.WithoutCasts(WithoutRepeats(to, v));
  const Shape queries = to.ShapeOf(q);
  const Shape key_shape = to.ShapeOf(keys);
  if (queries.size() != 4 || key_shape.size() != 4 ||
      to.ShapeOf(values).size() != 4 || key_shape[1] != to.ShapeOf(values)[1])
    return kNoValue;
  Attributes attributes = {{"scale", scale}};
  if (!mask.causal) attributes["causal"] = false;
  if (mask.window > 0 && mask.window < queries[2])
    attributes["window"] = mask.window;
  if (scores.soft_cap > 0) attributes["soft_cap"] = scores.soft_cap;
  if (scores.dropout > 0) {
    attributes["dropout"] = scores.dropout;
    attributes["stream"] = scores.stream;
  }
  std::vector<ValueId> inputs = {q, keys, values};
  if (mask.seen != kNoValue) {
    const ValueId seen = to.Reshape(mask.seen, {queries[0], key_shape[2]});
    if (seen == kNoValue) return kNoValue;
    inputs.insert(inputs.end(), {kNoValue, kNoValue, seen});
  }
  return to.Make(Operation::kAttention, std::move(inputs),
                 std::move(attributes));
}

ValueId Fused(Rewriter& to, const Raised& node) {
  if (node.in.size() < 3) return kNoValue;
  const Shape q = to.ShapeOf(node.in[0]);
  if (q.size() != 4) return kNoValue;
  std::optional<Mask> mask = Mask{.causal = node.Flag("is_causal", false)};
  const ValueId given = node.in.size() > 3 ? node.in[3] : kNoValue;
  if (given != kNoValue) {
    mask = ReadMask(to, given);
    if (!mask.has_value()) mask = ReadAddedMask(to, given);
    if (!mask.has_value()) return kNoValue;
  }
  Scores scores;
  scores.scale = node.Number("scale", 1 / std::sqrt(static_cast<double>(q[3])));
  scores.mask = *mask;
  scores.dropout = node.Number("dropout_p", 0);
  if (scores.dropout != 0) scores.stream = to.NextStream();
  return Attend(to, node.in[0], node.in[1], node.in[2], scores);
}

// The scores below masks that are added, or that choose; what they let see.
std::optional<std::pair<ValueId, Mask>> Unmasked(const Rewriter& to,
                                                 ValueId scores) {
  std::optional<Mask> mask = Mask{};
  for (;;) {
    scores = to.WithoutCasts(scores);
    if (const Node* added = to.Producer(scores, Operation::kAdd)) {
      mask = Both(mask, ReadAddedMask(to, added->inputs[1]));
      scores = added->inputs[0];
    } else if (const Node* where = to.Producer(scores, "aten.where.self", 3)) {
      if (!IsVeryLittle(to, where->inputs[2])) return std::nullopt;
      mask = Both(mask, ReadMask(to, where->inputs[0]));
      scores = where->inputs[1];
    } else if (const Node* limited = to.Producer(scores, "aten.max.other", 2);
               limited != nullptr && IsVeryLittle(to, limited->inputs[1])) {
      scores = limited->inputs[0];  // a mask hides what is there
    } else {
      return std::make_pair(scores, *mask);
    }
    if (!mask.has_value()) return std::nullopt;
  }
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
  const auto unmasked = Unmasked(to, softmax->inputs[0]);
  if (!unmasked.has_value()) return kNoValue;
  ValueId scores = unmasked->first;
  options.mask = unmasked->second;
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
  if (node.name() == "aten.scaled_dot_product_attention.default") {
    const ValueId fused = Fused(to, node);
    return {fused == kNoValue && node.Number("dropout_p", 0) != 0
                ? WriteOutAttention(to, node)
                : fused};
  }
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
