// Attention: one operation, or written out with a softmax.
#include <algorithm>
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

// What is known of queries and keys that were multiplied, and what became of
// their scores.
struct Scores {
  ValueId q = kNoValue;
  ValueId k = kNoValue;
  double scale = 1;
  Mask mask;
  double soft_cap = 0;
  ValueId bias = kNoValue;  // [H,S], added
  double dropout = 0;
  int64_t stream = 0;
};

// Attention by what a mask says; kNoValue where it is none of ours.
ValueId Attend(Rewriter& to, const Scores& scores, ValueId v) {
  const Mask& mask = scores.mask;
  double scale = scores.scale;
  ValueId q = Unscaled(to, to.WithoutCasts(scores.q), &scale);
  ValueId keys = to.WithoutCasts(WithoutRepeats(to, scores.k));
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
    inputs.insert(inputs.end(), {scores.bias, kNoValue, seen});
  } else if (scores.bias != kNoValue) {
    inputs.push_back(scores.bias);
  }
  return to.Make(Operation::kAttention, std::move(inputs),
                 std::move(attributes));
}

// A causal mask and linear biases as one: where(causal, biases, very little).
ValueId MaskedBias(const Rewriter& to, ValueId given) {
  const Node* where = to.Producer(to.Narrowest(given), "aten.where.self", 3);
  if (where == nullptr || !IsVeryLittle(to, where->inputs[2])) return kNoValue;
  const std::optional<Mask> mask = ReadMask(to, where->inputs[0]);
  return mask.has_value() && mask->causal && mask->window == 0 &&
                 mask->seen == kNoValue
             ? AlibiOf(to, where->inputs[1])
             : kNoValue;
}

ValueId Fused(Rewriter& to, const Raised& node) {
  if (node.in.size() < 3) return kNoValue;
  const Shape q = to.ShapeOf(node.in[0]);
  if (q.size() != 4) return kNoValue;
  std::optional<Mask> mask = Mask{.causal = node.Flag("is_causal", false)};
  Scores scores = {.q = node.in[0], .k = node.in[1]};
  const ValueId given = node.in.size() > 3 ? node.in[3] : kNoValue;
  if (given != kNoValue) {
    mask = ReadMask(to, given);
    if (!mask.has_value()) mask = ReadAddedMask(to, given);
    if (!mask.has_value()) {
      scores.bias = MaskedBias(to, given);
      if (scores.bias == kNoValue) return kNoValue;
      mask = Mask{.causal = true};
    }
  }
  scores.scale = node.Number("scale", 1 / std::sqrt(static_cast<double>(q[3])));
  scores.mask = *mask;
  scores.dropout = node.Number("dropout_p", 0);
  if (scores.dropout != 0) scores.stream = to.NextStream();
  return Attend(to, scores, node.in[2]);
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

// k of k^T.
ValueId Untransposed(const Rewriter& to, ValueId keys) {
  const auto rank = static_cast<int64_t>(to.ShapeOf(keys).size());
  const Node* moved = to.Producer(to.WithoutCasts(keys), Operation::kTranspose);
  return moved != nullptr && IntegerOf(*moved, "a") == rank - 2 &&
                 IntegerOf(*moved, "b") == rank - 1
             ? moved->inputs[0]
             : kNoValue;
}

// q k^T scale + bias, of [B * H,..].
std::optional<Scores> ReadBatchedScores(const Rewriter& to, ValueId product) {
  Scores read;
  const Node* node = to.Producer(product, "aten.baddbmm.default", 3);
  if (node == nullptr || AtenNumber(*node, "beta", 1) != 1) return std::nullopt;
  read.scale = AtenNumber(*node, "alpha", 1);
  read.bias = AlibiOf(to, node->inputs[0]);
  read.q = WithBatch(to, node->inputs[1]);
  const ValueId keys = WithBatch(to, node->inputs[2]);
  if (keys != kNoValue) read.k = Untransposed(to, keys);
  return read.bias == kNoValue || read.q == kNoValue || read.k == kNoValue
             ? std::nullopt
             : std::make_optional(read);
}

// cap(q k^T scale), or that of [B * H,..] with a bias.
std::optional<Scores> ReadScores(const Rewriter& to, ValueId scores) {
  if (const Node* split = to.Producer(scores, Operation::kReshape)) {
    const Shape shape = to.ShapeOf(scores);
    auto read = ReadBatchedScores(to, to.WithoutCasts(split->inputs[0]));
    const bool fits = read.has_value() && shape.size() == 4 &&
                      to.ShapeOf(read->q).size() == 4 &&
                      std::equal(shape.begin(), shape.begin() + 2,
                                 to.ShapeOf(read->q).begin());
    return fits ? read : std::nullopt;
  }
  Scores read;
  if (const Node* cap = to.Producer(scores, Operation::kActivation)) {
    if (TextOf(*cap, "kind") != "soft_cap") return std::nullopt;
    read.soft_cap = NumberOf(*cap, "limit");
    scores = to.WithoutCasts(cap->inputs[0]);
  }
  if (const Node* scaled = to.Producer(scores, Operation::kScale)) {
    read.scale = NumberOf(*scaled, "factor");
    scores = to.WithoutCasts(scaled->inputs[0]);
  }
  const Node* product = to.Producer(scores, "aten.matmul.default", 2);
  if (product == nullptr) return std::nullopt;
  read.q = product->inputs[0];
  read.k = Untransposed(to, product->inputs[1]);
  return read.k == kNoValue ? std::nullopt : std::make_optional(read);
}

// softmax(cap(q k^T scale) + mask) v.
ValueId WrittenOut(Rewriter& to, ValueId weights, ValueId v) {
  double dropout = 0;
  int64_t stream = 0;
  weights = to.WithoutCasts(weights);
  if (const Node* drop = to.Producer(weights, Operation::kDropout)) {
    dropout = NumberOf(*drop, "probability");
    stream = IntegerOf(*drop, "stream");
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
  std::optional<Scores> read = ReadScores(to, unmasked->first);
  if (!read.has_value()) return kNoValue;
  read->mask = unmasked->second;
  read->dropout = dropout;
  read->stream = stream;
  return Attend(to, *read, v);
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
