// Linears, look-ups, sums and products.
#include <algorithm>
#include <utility>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::Attributes;
using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;
using program::ValueKind;

namespace {

using Shape = std::vector<int64_t>;

// [B, T, C] of [B, 1, T, C] and the like.
ValueId WithoutOnes(const Rewriter& to, ValueId x) {
  const Node* more = to.Producer(x, Operation::kReshape);
  if (more == nullptr) return x;
  const ValueId before = more->inputs[0];
  if (to.ShapeOf(before).size() < 3 ||
      to.ShapeOf(before).size() >= to.ShapeOf(x).size() ||
      to.ShapeOf(before).back() != to.ShapeOf(x).back())
    return x;
  const auto without = [](Shape shape) {
    shape.erase(std::remove(shape.begin(), shape.end(), 1), shape.end());
    return shape;
  };
  return without(to.ShapeOf(before)) == without(to.ShapeOf(x)) ? before : x;
}

// x weight^T + bias on x as it was before it was flattened into rows.
ValueId Linear(Rewriter& to, ValueId x, ValueId weight, ValueId bias,
               bool transposed, const Shape& out) {
  if (x == kNoValue || to.ShapeOf(weight).size() != 2) return kNoValue;
  if (const Node* transpose = to.Producer(weight, Operation::kTranspose)) {
    weight = transpose->inputs[0];
    transposed = !transposed;
  }
  Attributes attributes;
  if (to.ValueOf(x).kind == ValueKind::kFloat32 &&
      to.ValueOf(to.WithoutCasts(x)).kind == ValueKind::kFloat) {
    attributes["float32"] = true;
    x = to.WithoutCasts(x);
    weight = to.WithoutCasts(weight);
    bias = to.WithoutCasts(bias);
  }
  x = WithoutOnes(to, to.Unflattened(x));
  std::vector<ValueId> inputs = {x, weight};
  if (bias != kNoValue) inputs.push_back(bias);
  if (transposed) attributes["transposed"] = true;
  const ValueId y =
      to.Make(Operation::kLinear, std::move(inputs), std::move(attributes));
  return y == kNoValue ? y : to.Reshape(y, out);
}

// A row of positions that nothing computes: a slice of the table.
ValueId PositionRows(Rewriter& to, ValueId table, ValueId ids) {
  const Node* positions =
      to.Producer(to.Narrowest(ids), "aten.arange.start", 0);
  if (positions == nullptr || to.ShapeOf(table).size() != 2) return kNoValue;
  const int64_t begin = AtenInteger(*positions, "start", 0);
  const int64_t end = AtenInteger(*positions, "end", 0);
  if (begin < 0 || end > to.ShapeOf(table)[0]) return kNoValue;
  return to.Slice(table, 0, begin, end);
}

ValueId Embedding(Rewriter& to, const Raised& node) {
  const ValueId table = node.in[0];
  const ValueId ids = node.in[1];
  if (node.Flag("scale_grad_by_freq", false) || node.Flag("sparse", false))
    return kNoValue;
  const int64_t padding = node.Integer("padding_idx", -1);
  if (padding < 0) {
    ValueId rows = PositionRows(to, table, ids);
    if (rows != kNoValue) {
      // As many leading dimensions as the result has, expanded like it.
      Shape shape = node.out_shape();
      Shape ones = to.ShapeOf(rows);
      if (shape.size() < ones.size()) return kNoValue;
      ones.insert(ones.begin(), shape.size() - ones.size(), 1);
      rows = to.Reshape(rows, ones);
      for (size_t d = 0; d + 2 < shape.size() && rows != kNoValue; ++d) {
        if (shape[d] == 1) continue;
        rows = to.Make(Operation::kExpand, {rows},
                       {{"dim", static_cast<int64_t>(d)}, {"size", shape[d]}});
      }
      return rows;
    }
  }
  Attributes attributes;
  if (padding >= 0) {
    attributes["padding_idx"] = padding;
    to.NoteZeroRow(table, padding);
  }
  return to.Make(Operation::kEmbedding, {table, ids}, std::move(attributes));
}

// A number that every position of `v` holds.
const Node* Uniform(const Rewriter& to, ValueId v) {
  return to.Producer(to.Narrowest(v), "aten.full.default", 0);
}

ValueId Scale(Rewriter& to, ValueId x, double factor, bool rounded = false) {
  if (factor == 1) return x;
  Attributes attributes = {{"factor", factor}};
  if (rounded) attributes["rounded"] = true;
  return to.Make(Operation::kScale, {x}, std::move(attributes));
}

// alpha a b + beta c of batches, where c adds nothing.
ValueId BatchedProduct(Rewriter& to, const Raised& node) {
  const Node* added = Uniform(to, node.in[0]);
  if (node.Number("beta", 1) != 0 &&
      (added == nullptr || AtenNumber(*added, "fill_value", 1) != 0))
    return kNoValue;
  ValueId product = to.MakeAten("aten.bmm.default", {node.in[1], node.in[2]},
                                node.source.values[node.node.outputs[0]]);
  if (const ValueId apart = ApartFromMerge(to, product); apart != product)
    product = to.Reshape(apart, node.out_shape());
  return Scale(to, product, node.Number("alpha", 1));
}

// Are the rows of b as many as those of a, as wide or of one number?
bool SameRows(Shape a, Shape b) {
  if (a.empty() || b.empty()) return false;
  if (b.back() == 1) a.back() = 1;
  return a == b;
}

// a op b with the one first that has the result's shape.
ValueId Elementwise(Rewriter& to, Operation operation, ValueId a, ValueId b,
                    const Shape& out) {
  if (!to.IsNumber(a) || !to.IsNumber(b)) return kNoValue;
  if (operation == Operation::kMul) {
    for (const auto& [x, other] : {std::pair(a, b), std::pair(b, a)}) {
      const Node* full = Uniform(to, other);
      if (full == nullptr || to.ShapeOf(x) != out) continue;
      // A tensor has the type that values are stored in; a number has none.
      return Scale(to, x, AtenNumber(*full, "fill_value", 0),
                   to.ValueOf(other).kind == program::ValueKind::kFloat);
    }
  }
  if (to.ShapeOf(a) != out) std::swap(a, b);
  if (to.ShapeOf(a) != out) return kNoValue;
  const ValueId rows = to.Unflattened(a);
  const ValueId others = to.Unflattened(b);
  if (rows != a && SameRows(to.ShapeOf(rows), to.ShapeOf(others))) {
    const ValueId made = to.Make(operation, {rows, others});
    return made == kNoValue ? made : to.Reshape(MatchActivation(to, made), out);
  }
  const ValueId narrow = to.Narrowest(b);
  return to.Make(operation, {a, narrow});
}

// What a block adds to the stream beside it.
bool IsBranch(const Rewriter& to, ValueId v) {
  v = to.WithoutCasts(v);
  if (const Node* dropped = to.Producer(v, Operation::kDropout))
    v = to.WithoutCasts(dropped->inputs[0]);
  return to.Producer(v, Operation::kLinear) != nullptr;
}

// (x + y) + z as x + (y + z), where y and z are branches: ranks that hold
// parts of their sums then exchange them once.
ValueId BranchesFirst(Rewriter& to, const Raised& node) {
  for (int i : {0, 1}) {
    const Node* sum = to.Producer(node.in[i], Operation::kAdd);
    const ValueId z = node.in[1 - i];
    if (sum == nullptr || !to.UsedOnce(node.node.inputs[i]) || !IsBranch(to, z))
      continue;
    const Shape shape = to.ShapeOf(z);
    for (int k : {0, 1}) {
      const ValueId x = sum->inputs[1 - k];
      const ValueId y = sum->inputs[k];
      if (!IsBranch(to, y) || IsBranch(to, x) || to.ShapeOf(x) != shape ||
          to.ShapeOf(y) != shape)
        continue;
      const ValueId branches = to.Make(Operation::kAdd, {y, z});
      return branches == kNoValue ? branches
                                  : to.Make(Operation::kAdd, {x, branches});
    }
  }
  return kNoValue;
}

// A linear and the bias that is added to it.
ValueId WithBias(Rewriter& to, const Raised& node) {
  const ValueId bias = to.Narrowest(node.in[1]);
  const Node* linear = to.Producer(node.in[0], Operation::kLinear);
  if (linear == nullptr || linear->inputs.size() != 2 ||
      !to.UsedOnce(node.node.inputs[0]) || !to.IsParameter(bias) ||
      to.ShapeOf(bias) != Shape{node.out_shape().back()})
    return kNoValue;
  return to.Make(Operation::kLinear,
                 {linear->inputs[0], linear->inputs[1], bias},
                 linear->attributes);
}

ValueId Add(Rewriter& to, const Raised& node) {
  ValueId made = WithBias(to, node);
  if (made == kNoValue) made = BranchesFirst(to, node);
  return made != kNoValue ? made
                          : Elementwise(to, Operation::kAdd, node.in[0],
                                        node.in[1], node.out_shape());
}

}  // namespace

std::vector<ValueId> RaiseProduct(Rewriter& to, const Raised& node) {
  const absl::string_view name = node.name();
  const Shape& out = node.out_shape();
  const std::vector<ValueId>& in = node.in;
  const auto at = [&in](size_t i) { return i < in.size() ? in[i] : kNoValue; };
  if (name == "aten.linear.default" && in.size() >= 2)
    return {Linear(to, in[0], in[1], at(2), /*transposed=*/false, out)};
  if (name == "aten.addmm.default" && in.size() == 3 &&
      node.Number("alpha", 1) == 1 && node.Number("beta", 1) == 1 &&
      to.ShapeOf(in[0]).size() == 1)
    return {Linear(to, in[1], in[2], in[0], /*transposed=*/true, out)};
  if ((name == "aten.mm.default" || name == "aten.matmul.default") &&
      in.size() == 2 && to.ShapeOf(in[1]).size() == 2 &&
      to.ShapeOf(in[0]).size() >= 2)
    return {Linear(to, in[0], in[1], kNoValue, /*transposed=*/true, out)};
  if (name == "aten.baddbmm.default" && in.size() == 3)
    return {BatchedProduct(to, node)};
  if (name == "aten.embedding.default" && in.size() == 2)
    return {Embedding(to, node)};
  if (name == "aten.add.Tensor" && node.Number("alpha", 1) == 1)
    return {Add(to, node)};
  if (name == "aten.mul.Tensor")
    return {Elementwise(to, Operation::kMul, in[0], in[1], out)};
  if (name == "aten.mul.Scalar" && to.IsNumber(in[0]))
    return {Scale(to, in[0], node.Number("other", 1))};
  if (name == "aten.div.Scalar" && to.IsNumber(in[0]) &&
      node.Number("other", 0) != 0)
    return {Scale(to, in[0], 1 / node.Number("other", 1))};
  return {};
}

}  // namespace autotp::model
