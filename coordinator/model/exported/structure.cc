// Views, slices, joins and casts in the one form that ours have.
#include <algorithm>
#include <limits>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;
using program::ValueKind;

namespace {

using Values = std::vector<ValueId>;

bool IsOneOf(absl::string_view name,
             std::initializer_list<absl::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Expansion repeats dimensions of length one, each by an operation of its own.
ValueId Expand(Rewriter& to, ValueId x, const std::vector<int64_t>& shape) {
  std::vector<int64_t> from = to.ShapeOf(x);
  if (from.size() > shape.size()) return kNoValue;
  from.insert(from.begin(), shape.size() - from.size(), 1);
  x = to.Reshape(x, from);
  for (size_t d = 0; d < shape.size() && x != kNoValue; ++d) {
    if (from[d] == shape[d]) continue;
    if (from[d] != 1) return kNoValue;
    x = to.Make(Operation::kExpand, {x},
                {{"dim", static_cast<int64_t>(d)}, {"size", shape[d]}});
  }
  return x;
}

ValueId Permute(Rewriter& to, ValueId x, std::vector<int64_t> order) {
  const auto rank = static_cast<int64_t>(to.ShapeOf(x).size());
  if (static_cast<int64_t>(order.size()) != rank) return kNoValue;
  for (int64_t& dim : order) {
    if (dim < 0) dim += rank;
    if (dim < 0 || dim >= rank) return kNoValue;
  }
  // Where each position's dimension is now.
  std::vector<int64_t> at(rank);
  for (int64_t d = 0; d < rank; ++d) at[d] = d;
  for (int64_t d = 0; d < rank; ++d) {
    const auto found = std::find(at.begin() + d, at.end(), order[d]);
    if (found == at.end()) return kNoValue;
    const int64_t other = found - at.begin();
    x = to.Transpose(x, d, other);
    std::swap(at[d], at[other]);
  }
  return x;
}

ValueId Piece(Rewriter& to, const Raised& node) {
  const std::vector<int64_t> shape = to.ShapeOf(node.in[0]);
  const int64_t dim = node.Dim("dim", 0, shape.size());
  if (dim < 0) return kNoValue;
  const int64_t size = shape[dim];
  const auto clamp = [size](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t begin = clamp(node.Integer("start", 0));
  const int64_t end =
      clamp(node.Integer("end", std::numeric_limits<int64_t>::max()));
  if (node.Integer("step", 1) != 1) return kNoValue;
  return to.Slice(node.in[0], dim, begin, std::max(begin, end));
}

// Of split, chunk and unbind: one slice for each output.
Values Pieces(Rewriter& to, const Raised& node, bool drops_dim) {
  const size_t rank = to.ShapeOf(node.in[0]).size();
  const int64_t dim = node.Dim("dim", 0, rank);
  if (dim < 0) return {};
  Values pieces;
  int64_t begin = 0;
  for (size_t i = 0; i < node.node.outputs.size(); ++i) {
    const std::vector<int64_t>& shape = node.out_shape(i);
    if (!drops_dim && shape.size() != rank) return {};
    const int64_t size = drops_dim ? 1 : shape[dim];
    ValueId piece = to.Slice(node.in[0], dim, begin, begin + size);
    if (piece != kNoValue && drops_dim) piece = to.Reshape(piece, shape);
    pieces.push_back(piece);
    begin += size;
  }
  return pieces;
}

ValueId Select(Rewriter& to, const Raised& node) {
  const std::vector<int64_t> shape = to.ShapeOf(node.in[0]);
  const int64_t dim = node.Dim("dim", 0, shape.size());
  if (dim < 0) return kNoValue;
  int64_t index = node.Integer("index", 0);
  if (index < 0) index += shape[dim];
  if (index < 0 || index >= shape[dim]) return kNoValue;
  const ValueId piece = to.Slice(node.in[0], dim, index, index + 1);
  return piece == kNoValue ? piece : to.Reshape(piece, node.out_shape());
}

ValueId Stack(Rewriter& to, const Raised& node) {
  const int64_t dim = node.Dim("dim", 0, node.out_shape().size());
  if (dim < 0) return kNoValue;
  std::vector<int64_t> shape = node.out_shape();
  shape[dim] = 1;
  Values parts;
  for (ValueId input : node.in) {
    const ValueId part = to.Reshape(input, shape);
    if (part == kNoValue) return kNoValue;
    parts.push_back(part);
  }
  return to.Make(Operation::kConcat, std::move(parts), {{"dim", dim}});
}

// Parts of length zero add nothing.
ValueId Concat(Rewriter& to, const Raised& node) {
  const size_t rank = node.out_shape().size();
  const int64_t dim = node.Dim("dim", 0, rank);
  if (dim < 0) return kNoValue;
  Values parts;
  for (ValueId part : node.in) {
    const std::vector<int64_t>& shape = to.ShapeOf(part);
    if (shape.size() != rank || shape[dim] != 0) parts.push_back(part);
  }
  if (parts.size() == 1) return parts[0];
  return to.Make(Operation::kConcat, std::move(parts), {{"dim", dim}});
}

// Each position of `dim` so many times, one after the other.
ValueId RepeatInterleave(Rewriter& to, const Raised& node) {
  std::vector<int64_t> shape = to.ShapeOf(node.in[0]);
  const int64_t dim = node.Dim("dim", -1, shape.size());
  const int64_t repeats = node.Integer("repeats", 0);
  if (dim < 0 || repeats < 1 || node.in.size() != 1) return kNoValue;
  shape.insert(shape.begin() + dim + 1, 1);
  ValueId x = to.Reshape(node.in[0], shape);
  if (x != kNoValue && repeats > 1) {
    x = to.Make(Operation::kExpand, {x}, {{"dim", dim + 1}, {"size", repeats}});
  }
  return x == kNoValue ? x : to.Reshape(x, node.out_shape());
}

// The whole of each dimension so many times.
ValueId Repeat(Rewriter& to, const Raised& node) {
  const std::vector<int64_t> repeats = node.Integers("repeats");
  std::vector<int64_t> shape = to.ShapeOf(node.in[0]);
  if (repeats.size() < shape.size()) return kNoValue;
  shape.insert(shape.begin(), repeats.size() - shape.size(), 1);
  ValueId x = to.Reshape(node.in[0], shape);
  for (size_t d = 0; d < shape.size() && x != kNoValue; ++d) {
    if (repeats[d] == 1) continue;
    if (repeats[d] < 1) return kNoValue;
    std::vector<int64_t> apart = shape;
    apart.insert(apart.begin() + static_cast<int64_t>(d), 1);
    x = to.Reshape(x, apart);
    if (x == kNoValue) break;
    x = to.Make(Operation::kExpand, {x},
                {{"dim", static_cast<int64_t>(d)}, {"size", repeats[d]}});
    shape[d] *= repeats[d];
    if (x != kNoValue) x = to.Reshape(x, shape);
  }
  return x;
}

// Casts to the kind that a value has already, and copies of it.
ValueId Same(Rewriter& to, const Raised& node) {
  const ValueKind kind = node.source.values[node.node.outputs[0]].kind;
  if (to.ValueOf(node.in[0]).kind == kind) return node.in[0];
  // A cast, whatever said to which type.
  if (node.name() != "aten.type_as.default") return kNoValue;
  return to.MakeAten("aten._to_copy.default", {node.in[0]},
                     {{"tensors", std::vector<int64_t>{1}}},
                     node.source.values[node.node.outputs[0]]);
}

}  // namespace

std::vector<ValueId> RaiseStructure(Rewriter& to, const Raised& node) {
  const absl::string_view name = node.name();
  if (node.in.empty() || node.in[0] == kNoValue) return {};
  const ValueId x = node.in[0];
  const size_t rank = to.ShapeOf(x).size();
  if (IsOneOf(name, {"aten.clone.default", "aten.alias.default",
                     "aten.contiguous.default", "aten._to_copy.default",
                     "aten.lift_fresh_copy.default", "aten.dropout.default",
                     "aten.type_as.default", "aten.to.dtype"}))
    return {Same(to, node)};
  if (IsOneOf(name,
              {"aten.view.default", "aten.reshape.default",
               "aten._unsafe_view.default", "aten.unsqueeze.default",
               "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims",
               "aten.flatten.using_ints", "aten.unflatten.int",
               "aten.view_as.default", "aten.reshape_as.default"}))
    return {to.Reshape(x, node.out_shape())};
  if (IsOneOf(name, {"aten.expand.default", "aten.broadcast_to.default",
                     "aten.expand_as.default"}))
    return {Expand(to, x, node.out_shape())};
  if (name == "aten.transpose.int") {
    const int64_t a = node.Dim("dim0", 0, rank);
    const int64_t b = node.Dim("dim1", 0, rank);
    if (a < 0 || b < 0) return {};
    return {to.Transpose(x, a, b)};
  }
  if (name == "aten.permute.default")
    return {Permute(to, x, node.Integers("dims"))};
  if (IsOneOf(name, {"aten.t.default", "aten.numpy_T.default"})) {
    if (rank != 2) return {};
    return {to.Transpose(x, 0, 1)};
  }
  if (name == "aten.slice.Tensor") return {Piece(to, node)};
  if (name == "aten.select.int") return {Select(to, node)};
  if (IsOneOf(name, {"aten.split.Tensor", "aten.split_with_sizes.default",
                     "aten.chunk.default", "aten.split.sizes"}))
    return Pieces(to, node, /*drops_dim=*/false);
  if (name == "aten.unbind.int") return Pieces(to, node, /*drops_dim=*/true);
  if (IsOneOf(name, {"aten.cat.default", "aten.concat.default"}))
    return {Concat(to, node)};
  if (name == "aten.stack.default") return {Stack(to, node)};
  if (name == "aten.repeat_interleave.self_int")
    return {RepeatInterleave(to, node)};
  if (name == "aten.repeat.default") return {Repeat(to, node)};
  if (name == "aten.broadcast_tensors.default") {
    Values expanded;
    for (size_t i = 0; i < node.in.size(); ++i)
      expanded.push_back(Expand(to, node.in[i], node.out_shape(i)));
    return expanded;
  }
  return {};
}

}  // namespace autotp::model
