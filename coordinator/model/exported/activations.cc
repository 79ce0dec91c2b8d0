// Activations: one operation, written out, limited, or gating another value.
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

constexpr double kTolerance = 1e-6;

bool Near(double a, double b) {
  return std::abs(a - b) <= kTolerance * std::abs(b);
}

// x of x * factor.
ValueId Scaled(const Rewriter& to, ValueId v, double factor) {
  const Node* scale = to.Producer(v, Operation::kScale);
  return scale != nullptr && Near(NumberOf(*scale, "factor"), factor)
             ? scale->inputs[0]
             : kNoValue;
}

// x of x^3: one operation, or products.
bool IsCube(const Rewriter& to, ValueId v, ValueId x) {
  const Node* power = to.Producer(v, "aten.pow.Tensor_Scalar");
  return power != nullptr && power->inputs[0] == x &&
         AtenNumber(*power, "exponent", 0) == 3;
}

// x of x + 1, or kNoValue.
ValueId LessOne(const Rewriter& to, ValueId v) {
  const Node* sum = to.Producer(v, "aten.add.Scalar");
  return sum != nullptr && AtenNumber(*sum, "other", 0) == 1 &&
                 AtenNumber(*sum, "alpha", 1) == 1
             ? sum->inputs[0]
             : kNoValue;
}

// Is v = sqrt(2 / pi) x (1 + 0.044715 x x)?
bool IsFactored(const Rewriter& to, ValueId v, ValueId x) {
  const Node* product = to.Producer(v, Operation::kMul);
  if (product == nullptr) return false;
  for (int i : {0, 1}) {
    if (Scaled(to, product->inputs[i], std::sqrt(2 / M_PI)) != x) continue;
    const Node* square =
        to.Producer(LessOne(to, product->inputs[1 - i]), Operation::kMul);
    if (square == nullptr) continue;
    for (int k : {0, 1}) {
      if (square->inputs[k] == x &&
          Scaled(to, square->inputs[1 - k], 0.044715) == x)
        return true;
    }
  }
  return false;
}

// Is v = 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)), as it stands or factored?
bool IsGeluTail(const Rewriter& to, ValueId v, ValueId x) {
  const Node* tanh = to.Producer(LessOne(to, v), "aten.tanh.default");
  if (tanh == nullptr) return false;
  if (IsFactored(to, tanh->inputs[0], x)) return true;
  const ValueId inner = Scaled(to, tanh->inputs[0], std::sqrt(2 / M_PI));
  const Node* add = to.Producer(inner, Operation::kAdd);
  if (add == nullptr) return false;
  for (int i : {0, 1}) {
    if (add->inputs[i] != x) continue;
    const ValueId cube = Scaled(to, add->inputs[1 - i], 0.044715);
    if (cube != kNoValue && IsCube(to, cube, x)) return true;
  }
  return false;
}

ValueId Activate(Rewriter& to, ValueId x, absl::string_view kind) {
  const std::vector<int64_t> shape = to.ShapeOf(x);
  const ValueId y = to.Make(Operation::kActivation, {to.Unflattened(x)},
                            {{"kind", std::string(kind)}});
  return y == kNoValue ? y : to.Reshape(y, shape);
}

// To [-limit, limit].
ValueId Clamp(Rewriter& to, const Raised& node) {
  const double limit = node.Number("max", 0);
  if (!(limit > 0) || node.Number("min", 0) != -limit || node.in.size() != 1)
    return kNoValue;
  return to.Make(Operation::kActivation, {node.in[0]},
                 {{"kind", std::string("clamp")}, {"limit", limit}});
}

ValueId MatchProduct(Rewriter& to, ValueId v, const Node& product) {
  const ValueId sides[] = {product.inputs[0], product.inputs[1]};
  for (int i : {0, 1}) {
    const ValueId x = Scaled(to, sides[i], 0.5);
    if (x != kNoValue && IsGeluTail(to, sides[1 - i], x))
      return Activate(to, x, "gelu_tanh");
  }
  for (int i : {0, 1}) {
    const Node* gate =
        to.Producer(to.WithoutCasts(sides[i]), Operation::kActivation);
    if (gate == nullptr || gate->attributes.contains("limit")) continue;
    if (to.ShapeOf(sides[1 - i]) != to.ShapeOf(v)) continue;
    const ValueId x = gate->inputs[0];
    const std::string kind = TextOf(*gate, "kind");
    // x * sigmoid(x)
    if (kind == "sigmoid" && to.WithoutCasts(sides[1 - i]) == x)
      return Activate(to, x, "silu");
    const ValueId gated =
        to.Make(Operation::kGatedActivation, {x, to.WithoutCasts(sides[1 - i])},
                {{"kind", kind}});
    if (gated != kNoValue) return gated;
  }
  return v;
}

}  // namespace

std::vector<ValueId> RaiseActivation(Rewriter& to, const Raised& node) {
  const absl::string_view name = node.name();
  if (name == "aten.gelu.default") {
    const auto found = node.node.attributes.find("approximate");
    const bool tanh = found != node.node.attributes.end() &&
                      found->second == program::Attribute(std::string("tanh"));
    return {Activate(to, node.in[0], tanh ? "gelu_tanh" : "gelu")};
  }
  if (name == "aten.clamp.default" && to.IsNumber(node.in[0]))
    return {Clamp(to, node)};
  for (absl::string_view kind : {"silu", "relu", "sigmoid"}) {
    if (name == absl::StrCat("aten.", kind, ".default"))
      return {Activate(to, node.in[0], kind)};
  }
  return {};
}

ValueId MatchActivation(Rewriter& to, ValueId v) {
  if (const Node* product = to.Producer(v, Operation::kMul)) {
    const Node copy = *product;
    return MatchProduct(to, v, copy);
  }
  // cap * tanh(x / cap)
  const Node* outer = to.Producer(v, Operation::kScale);
  if (outer == nullptr) return v;
  const double limit = NumberOf(*outer, "factor");
  const Node* tanh =
      to.Producer(to.WithoutCasts(outer->inputs[0]), "aten.tanh.default");
  if (tanh == nullptr || !(limit > 0)) return v;
  const ValueId x = Scaled(to, to.WithoutCasts(tanh->inputs[0]), 1 / limit);
  if (x == kNoValue) return v;
  const ValueId capped =
      to.Make(Operation::kActivation, {x},
              {{"kind", std::string("soft_cap")}, {"limit", limit}});
  return capped == kNoValue ? v : capped;
}

}  // namespace autotp::model
