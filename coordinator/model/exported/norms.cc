// Norms: those that are one operation, and those written out; norms of heads
// with a weight each.
#include <cmath>
#include <utility>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::Attributes;
using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

constexpr double kLayerNormEps = 1e-5;

// Is it the last dimension that `node` works on, and keeps?
bool KeepsLast(const Node& node, size_t rank) {
  const std::vector<int64_t> dims = AtenIntegers(node, "dim");
  return AtenFlag(node, "keepdim", false) && dims.size() == 1 &&
         (dims[0] == -1 || dims[0] == static_cast<int64_t>(rank) - 1);
}

// y of y - mean(y), over the last dimension.
ValueId Centered(const Rewriter& to, ValueId v) {
  const Node* difference =
      to.Producer(to.WithoutCasts(v), "aten.sub.Tensor", 2);
  if (difference == nullptr || AtenNumber(*difference, "alpha", 1) != 1)
    return kNoValue;
  const ValueId y = to.WithoutCasts(difference->inputs[0]);
  const Node* mean =
      to.Producer(to.WithoutCasts(difference->inputs[1]), "aten.mean.dim");
  if (mean == nullptr || to.WithoutCasts(mean->inputs[0]) != y ||
      !KeepsLast(*mean, to.ShapeOf(y).size()))
    return kNoValue;
  return y;
}

// A module may center twice: for the mean square, and for the result.
bool IsSame(const Rewriter& to, ValueId a, ValueId b) {
  if (a == b) return true;
  const ValueId y = Centered(to, a);
  return y != kNoValue && y == Centered(to, b);
}

// x of x * rsqrt(mean(x^2) + eps), over the last dimension.
ValueId Normalized(const Rewriter& to, ValueId v, double* eps) {
  const Node* product = to.Producer(to.WithoutCasts(v), Operation::kMul);
  if (product == nullptr) return kNoValue;
  const ValueId x = to.WithoutCasts(product->inputs[0]);
  const Node* root =
      to.Producer(to.WithoutCasts(product->inputs[1]), "aten.rsqrt.default");
  if (root == nullptr) {  // the same as a power
    root = to.Producer(to.WithoutCasts(product->inputs[1]),
                       "aten.pow.Tensor_Scalar");
    if (root == nullptr || AtenNumber(*root, "exponent", 0) != -0.5)
      return kNoValue;
  }
  const Node* sum =
      to.Producer(to.WithoutCasts(root->inputs[0]), "aten.add.Scalar");
  if (sum == nullptr || AtenNumber(*sum, "alpha", 1) != 1) return kNoValue;
  *eps = AtenNumber(*sum, "other", 0);
  const Node* mean =
      to.Producer(to.WithoutCasts(sum->inputs[0]), "aten.mean.dim");
  if (mean == nullptr || !KeepsLast(*mean, to.ShapeOf(x).size()))
    return kNoValue;
  const ValueId squared = to.WithoutCasts(mean->inputs[0]);
  const Node* square = to.Producer(squared, "aten.pow.Tensor_Scalar");
  if (square != nullptr && AtenNumber(*square, "exponent", 0) != 2)
    return kNoValue;
  if (square == nullptr) square = to.Producer(squared, "aten.square.default");
  if (square == nullptr) {
    square = to.Producer(squared, Operation::kMul);
    if (square != nullptr && !IsSame(to, to.WithoutCasts(square->inputs[1]), x))
      return kNoValue;
  }
  if (square == nullptr || !IsSame(to, to.WithoutCasts(square->inputs[0]), x))
    return kNoValue;
  return x;
}

// The parameter of `weight` or of `1 + weight`.
ValueId NormWeight(const Rewriter& to, ValueId v, double* offset) {
  v = to.Narrowest(v);
  if (const Node* sum = to.Producer(v, "aten.add.Scalar")) {
    *offset = AtenNumber(*sum, "other", 0);
    if (AtenNumber(*sum, "alpha", 1) != 1) return kNoValue;
    v = to.WithoutCasts(sum->inputs[0]);
  }
  return to.IsParameter(v) && to.ShapeOf(v).size() == 1 ? v : kNoValue;
}

// Of rows as they are before they are moved about or flattened.
ValueId Norm(Rewriter& to, Operation operation, std::vector<ValueId> inputs,
             const Attributes& attributes) {
  const std::vector<int64_t> shape = to.ShapeOf(inputs[0]);
  const Node* moved = to.Producer(inputs[0], Operation::kTranspose);
  if (moved != nullptr &&
      IntegerOf(*moved, "b") + 1 < static_cast<int64_t>(shape.size())) {
    const int64_t a = IntegerOf(*moved, "a");
    const int64_t b = IntegerOf(*moved, "b");
    inputs[0] = moved->inputs[0];
    const ValueId norm = Norm(to, operation, std::move(inputs), attributes);
    return norm == kNoValue ? norm : to.Transpose(norm, a, b);
  }
  inputs[0] = to.Unflattened(inputs[0]);
  const ValueId norm = to.Make(operation, std::move(inputs), attributes);
  return norm == kNoValue ? norm : to.Reshape(norm, shape);
}

std::vector<ValueId> LayerNorm(Rewriter& to, const Raised& node) {
  if (node.Integers("normalized_shape").size() != 1) return {};
  std::vector<ValueId> inputs = {to.WithoutCasts(node.in[0])};
  const ValueId weight = node.in.size() > 1 ? node.in[1] : kNoValue;
  const ValueId bias = node.in.size() > 2 ? node.in[2] : kNoValue;
  if (weight != kNoValue || bias != kNoValue)
    inputs.push_back(to.WithoutCasts(weight));
  if (bias != kNoValue) inputs.push_back(to.WithoutCasts(bias));
  return {Norm(to, Operation::kLayerNorm, std::move(inputs),
               {{"eps", node.Number("eps", kLayerNormEps)}})};
}

}  // namespace

std::vector<ValueId> RaiseNorm(Rewriter& to, const Raised& node) {
  if (node.name() == "aten.layer_norm.default") return LayerNorm(to, node);
  if (node.name() == "aten.rms_norm.default" && node.in.size() == 2 &&
      node.in[1] != kNoValue && node.Number("eps", -1) >= 0 &&
      node.Integers("normalized_shape").size() == 1) {
    return {Norm(to, Operation::kRmsNorm,
                 {to.WithoutCasts(node.in[0]), to.WithoutCasts(node.in[1])},
                 {{"eps", node.Number("eps", 0)}})};
  }
  return {};
}

ValueId MatchRmsNorm(Rewriter& to, ValueId v) {
  const Node* product = to.Producer(v, Operation::kMul);
  if (product == nullptr) return v;
  const ValueId sides[] = {product->inputs[0], product->inputs[1]};
  for (int i : {0, 1}) {
    double eps = 0;
    double offset = 0;
    const ValueId weight = NormWeight(to, sides[1 - i], &offset);
    const ValueId x =
        weight == kNoValue ? kNoValue : Normalized(to, sides[i], &eps);
    if (x == kNoValue) continue;
    Attributes attributes = {{"eps", eps}};
    if (offset != 0) attributes["offset"] = offset;
    const ValueId norm = Norm(to, Operation::kRmsNorm, {x, weight}, attributes);
    if (norm != kNoValue) return norm;
  }
  return v;
}

ValueId MatchLayerNorm(Rewriter& to, ValueId v) {
  const Node* product = to.Producer(v, Operation::kMul);
  if (product == nullptr) return v;
  double eps = 0;
  const ValueId centered = Normalized(to, v, &eps);
  const ValueId x = centered == kNoValue ? kNoValue : Centered(to, centered);
  if (x != kNoValue) {
    const ValueId norm = Norm(to, Operation::kLayerNorm, {x}, {{"eps", eps}});
    return norm == kNoValue ? v : norm;
  }
  // One without parameters, times a weight.
  const ValueId sides[] = {product->inputs[0], product->inputs[1]};
  for (int i : {0, 1}) {
    double offset = 0;
    const ValueId weight = NormWeight(to, sides[1 - i], &offset);
    const Node* plain =
        to.Producer(to.WithoutCasts(sides[i]), Operation::kLayerNorm);
    if (weight == kNoValue || offset != 0 || plain == nullptr ||
        plain->inputs.size() != 1)
      continue;
    const Attributes attributes = plain->attributes;
    const ValueId norm =
        Norm(to, Operation::kLayerNorm, {plain->inputs[0], weight}, attributes);
    if (norm != kNoValue) return norm;
  }
  return v;
}

ValueId MatchHeadNorms(Rewriter& to, ValueId v) {
  const Node* join = to.Producer(v, Operation::kConcat);
  if (join == nullptr) return v;
  const int64_t dim = IntegerOf(*join, "dim");
  if (dim + 1 >= static_cast<int64_t>(to.ShapeOf(v).size())) return v;
  ValueId x = kNoValue;
  Attributes attributes;
  std::vector<ValueId> weights;
  for (ValueId input : std::vector<ValueId>(join->inputs)) {
    const Node* norm = to.Producer(input, Operation::kLayerNorm);
    if (norm == nullptr || norm->inputs.size() != 2) return v;
    const Node* slice = to.Producer(norm->inputs[0], Operation::kSlice);
    const auto place = static_cast<int64_t>(weights.size());
    if (slice == nullptr || IntegerOf(*slice, "dim") != dim ||
        IntegerOf(*slice, "begin") != place ||
        IntegerOf(*slice, "end") != place + 1)
      return v;
    if (weights.empty()) {
      x = slice->inputs[0];
      attributes = norm->attributes;
    }
    if (slice->inputs[0] != x || norm->attributes != attributes) return v;
    weights.push_back(norm->inputs[1]);
  }
  if (to.ShapeOf(x) != to.ShapeOf(v)) return v;
  std::vector<int64_t> shape = to.ShapeOf(v);
  const ValueId stack = to.Make(Operation::kStack, std::move(weights));
  const ValueId norm = Norm(to, Operation::kLayerNorm, {x}, attributes);
  if (stack == kNoValue || norm == kNoValue) return v;
  // Weights of heads stand beside the channels.
  const Node* moved = to.Producer(norm, Operation::kTranspose);
  if (moved != nullptr && IntegerOf(*moved, "a") == dim &&
      IntegerOf(*moved, "b") + 2 == static_cast<int64_t>(shape.size())) {
    const int64_t b = IntegerOf(*moved, "b");
    const ValueId scaled = to.Make(Operation::kMul, {moved->inputs[0], stack});
    return scaled == kNoValue ? v : to.Transpose(scaled, dim, b);
  }
  return v;
}

}  // namespace autotp::model
