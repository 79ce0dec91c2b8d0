// Mixtures of experts: the choice of the experts becomes one router, and both
// stand on tokens as they were before they were flattened.
#include <algorithm>
#include <string>
#include <utility>

#include "coordinator/model/exported/choices.h"
#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::Attributes;
using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

constexpr double kTinyDivisor = 1e-12;  // added to a sum, or its least value
constexpr int64_t kBestOfGroup = 2;
constexpr int64_t kFirstMatrix = 3;  // input of `experts`

// x of x / sum(x).
ValueId Normalized(const Rewriter& to, ValueId v) {
  const Node* quotient = to.Producer(v, "aten.div.Tensor", 2);
  if (quotient == nullptr) return kNoValue;
  const ValueId x = to.WithoutCasts(quotient->inputs[0]);
  ValueId sum = to.WithoutCasts(quotient->inputs[1]);
  if (const Node* more = to.Producer(sum, "aten.add.Scalar")) {
    if (AtenNumber(*more, "other", 1) > kTinyDivisor) return kNoValue;
    sum = more->inputs[0];
  } else if (const Node* least = to.Producer(sum, "aten.clamp.default")) {
    if (AtenNumber(*least, "min", 1) > kTinyDivisor ||
        least->attributes.contains("max"))
      return kNoValue;
    sum = least->inputs[0];
  }
  return SummedOver(to, sum, -1, /*keeps=*/true) == x ? x : kNoValue;
}

struct Routing {
  ValueId logits = kNoValue;
  std::string scores;
  ValueId bias = kNoValue;
  int64_t top_k = 0;
  bool normalize = false;
  double scale = 1;
  int64_t groups = 1;
  int64_t top_groups = 1;
};

// Takes off of `ranked` that only experts of the best groups can be chosen.
bool MatchGroups(const Rewriter& to, ValueId* ranked, Routing* routing) {
  const Node* fill = to.Producer(*ranked, "aten.masked_fill.Scalar", 2);
  if (fill == nullptr) return true;
  const ValueId scores = to.WithoutCasts(fill->inputs[0]);
  if (!(AtenNumber(*fill, "value", 0) < -1e30)) return false;
  // not bool(expanded(ones at the best groups))
  const Node* others =
      to.Producer(to.Narrowest(fill->inputs[1]), "aten.bitwise_not.default");
  if (others == nullptr)
    others = to.Producer(fill->inputs[1], "aten.logical_not.default");
  if (others == nullptr) return false;
  const Node* cast = to.Producer(others->inputs[0], "aten._to_copy.default");
  if (cast == nullptr) return false;
  const Node* flat = to.Producer(cast->inputs[0], Operation::kReshape);
  const Node* expand = flat == nullptr
                           ? nullptr
                           : to.Producer(flat->inputs[0], Operation::kExpand);
  const Node* mark = expand == nullptr
                         ? nullptr
                         : to.Producer(expand->inputs[0], Operation::kReshape);
  if (mark == nullptr) return false;
  const Shape grouped = to.ShapeOf(flat->inputs[0]);  // [N, G, E / G]
  if (grouped.size() < 2) return false;
  const Node* scatter = to.Producer(mark->inputs[0], "aten.scatter.value", 2);
  if (scatter == nullptr || AtenNumber(*scatter, "value", 0) != 1 ||
      !IsLast(to, mark->inputs[0], AtenInteger(*scatter, "dim", 0)) ||
      grouped.size() != to.ShapeOf(mark->inputs[0]).size() + 1)
    return false;
  const Node* zeros =
      to.Producer(scatter->inputs[0], "aten.zeros_like.default");
  if (zeros == nullptr)
    zeros =
        to.Producer(to.Narrowest(scatter->inputs[0]), "aten.full.default", 0);
  const Node* best = TopK(to, scatter->inputs[1], 1);
  if (zeros == nullptr || best == nullptr) return false;
  const ValueId two = SummedOver(to, best->inputs[0], -1, /*keeps=*/false);
  const Node* pair = two == kNoValue ? nullptr : TopK(to, two, 0);
  if (pair == nullptr || AtenInteger(*pair, "k", 0) != kBestOfGroup)
    return false;
  const Node* split = to.Producer(pair->inputs[0], Operation::kReshape);
  if (split == nullptr || to.WithoutCasts(split->inputs[0]) != scores ||
      to.ShapeOf(pair->inputs[0]) != grouped)
    return false;
  routing->groups = grouped[grouped.size() - 2];
  routing->top_groups = AtenInteger(*best, "k", 0);
  *ranked = scores;
  return true;
}

// What is ranked to choose: scores, perhaps with a bias for each expert.
bool MatchScores(const Rewriter& to, ValueId scores, ValueId ranked,
                 Routing* routing) {
  if (ranked != scores) {
    const Node* sum = to.Producer(ranked, Operation::kAdd);
    if (sum == nullptr || to.WithoutCasts(sum->inputs[0]) != scores)
      return false;
    routing->bias = to.WithoutCasts(sum->inputs[1]);
    if (to.ShapeOf(scores).empty() ||
        to.ShapeOf(routing->bias) != Shape{to.ShapeOf(scores).back()})
      return false;
  }
  routing->logits = SoftmaxOf(to, scores);
  routing->scores = "softmax";
  if (routing->logits != kNoValue) return true;
  const Node* sigmoid =
      to.Producer(BeforeRows(to, scores), Operation::kActivation);
  if (sigmoid == nullptr || TextOf(*sigmoid, "kind") != "sigmoid") return false;
  routing->scores = "sigmoid";
  routing->logits = to.WithoutCasts(sigmoid->inputs[0]);
  return true;
}

bool MatchRouting(const Rewriter& to, ValueId weights, ValueId chosen,
                  Routing* routing) {
  const Node* choice = TopK(to, chosen, 1);
  if (choice == nullptr) return false;
  routing->top_k = AtenInteger(*choice, "k", 0);
  ValueId ranked = to.WithoutCasts(choice->inputs[0]);
  weights = to.WithoutCasts(weights);
  if (const Node* scale = to.Producer(weights, Operation::kScale)) {
    routing->scale = NumberOf(*scale, "factor");
    weights = to.WithoutCasts(scale->inputs[0]);
  }
  // A softmax over the chosen logits alone is a normalised one.
  if (SoftmaxOf(to, weights) == choice->outputs[0]) {
    routing->normalize = true;
    routing->scores = "softmax";
    routing->logits = ranked;
    return true;
  }
  const ValueId whole = Normalized(to, weights);
  routing->normalize = whole != kNoValue;
  if (routing->normalize) weights = whole;
  if (weights == choice->outputs[0])
    return MatchScores(to, ranked, ranked, routing);
  const Node* taken = to.Producer(weights, "aten.gather.default", 2);
  return taken != nullptr && taken->inputs[1] == chosen &&
         IsLast(to, weights, AtenInteger(*taken, "dim", 0)) &&
         MatchGroups(to, &ranked, routing) &&
         MatchScores(to, to.WithoutCasts(taken->inputs[0]), ranked, routing);
}

// Weights and choices of one router in place of both.
void MatchRouter(Rewriter& to, ValueId* weights, ValueId* chosen) {
  Routing routing;
  if (!MatchRouting(to, *weights, *chosen, &routing)) return;
  std::vector<ValueId> inputs = {BeforeRows(to, routing.logits)};
  if (routing.bias != kNoValue) inputs.push_back(routing.bias);
  Attributes attributes = {{"top_k", routing.top_k},
                           {"scores", routing.scores},
                           {"normalize", routing.normalize}};
  if (routing.scale != 1) attributes["scale"] = routing.scale;
  if (routing.groups != 1) {
    attributes["groups"] = routing.groups;
    attributes["top_groups"] = routing.top_groups;
  }
  const std::vector<ValueId> made =
      to.MakeAll(Operation::kRouter, std::move(inputs), std::move(attributes));
  if (made.empty()) return;
  *weights = made[0];
  *chosen = made[1];
}

}  // namespace

ValueId RaiseExperts(Rewriter& to, const Node& node,
                     std::vector<ValueId> inputs) {
  MatchRouter(to, &inputs[1], &inputs[2]);
  const Shape out = to.ShapeOf(inputs[0]);
  inputs[0] = BeforeRows(to, inputs[0]);
  for (size_t i = 1; i < kFirstMatrix; ++i) {
    Shape shape = to.ShapeOf(inputs[0]);
    shape.back() = to.ShapeOf(inputs[i]).back();
    inputs[i] = to.Reshape(inputs[i], std::move(shape));
  }
  const ValueId y =
      to.Make(Operation::kExperts, std::move(inputs), node.attributes);
  return y == kNoValue ? y : to.Reshape(y, out);
}

}  // namespace autotp::model
