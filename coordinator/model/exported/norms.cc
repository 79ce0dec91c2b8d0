// Norms: those that are one operation, and root mean square norms written out.
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
  if (mean == nullptr || !AtenFlag(*mean, "keepdim", false)) return kNoValue;
  const auto dims = mean->attributes.find("dim");
  const auto* list = dims == mean->attributes.end()
                         ? nullptr
                         : std::get_if<std::vector<int64_t>>(&dims->second);
  const auto rank = static_cast<int64_t>(to.ShapeOf(x).size());
  if (list == nullptr || list->size() != 1 ||
      ((*list)[0] != -1 && (*list)[0] != rank - 1))
    return kNoValue;
  const ValueId squared = to.WithoutCasts(mean->inputs[0]);
  const Node* square = to.Producer(squared, "aten.pow.Tensor_Scalar");
  if (square != nullptr && AtenNumber(*square, "exponent", 0) != 2)
    return kNoValue;
  if (square == nullptr) square = to.Producer(squared, "aten.square.default");
  if (square == nullptr) {
    square = to.Producer(squared, Operation::kMul);
    if (square != nullptr && to.WithoutCasts(square->inputs[1]) != x)
      return kNoValue;
  }
  if (square == nullptr || to.WithoutCasts(square->inputs[0]) != x)
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

std::vector<ValueId> LayerNorm(Rewriter& to, const Raised& node) {
  if (node.Integers("normalized_shape").size() != 1) return {};
  std::vector<ValueId> inputs = {to.WithoutCasts(node.in[0])};
  const ValueId weight = node.in.size() > 1 ? node.in[1] : kNoValue;
  const ValueId bias = node.in.size() > 2 ? node.in[2] : kNoValue;
  if (weight != kNoValue || bias != kNoValue)
    inputs.push_back(to.WithoutCasts(weight));
  if (bias != kNoValue) inputs.push_back(to.WithoutCasts(bias));
  return {to.Make(Operation::kLayerNorm, std::move(inputs),
                  {{"eps", node.Number("eps", kLayerNormEps)}})};
}

}  // namespace

std::vector<ValueId> RaiseNorm(Rewriter& to, const Raised& node) {
  if (node.name() == "aten.layer_norm.default") return LayerNorm(to, node);
  if (node.name() == "aten.rms_norm.default" && node.in.size() == 2 &&
      node.in[1] != kNoValue && node.Number("eps", -1) >= 0 &&
      node.Integers("normalized_shape").size() == 1) {
    return {to.Make(Operation::kRmsNorm,
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
    const ValueId norm =
        to.Make(Operation::kRmsNorm, {x, weight}, std::move(attributes));
    if (norm != kNoValue) return norm;
  }
  return v;
}

}  // namespace autotp::model
