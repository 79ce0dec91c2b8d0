// Views, slices, joins and casts in the one form that ours have.
#include <algorithm>
#include <limits>
#include <utility>

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

// q, k and v that each head has side by side, [B,H,T,3 D] of [B,T,H * 3 D]:
// [B,T,H,3,D] in between.
Values PiecesOfHeads(Rewriter& to, ValueId x, size_t count) {
  const Node* moved = to.Producer(x, Operation::kTranspose);
  if (count < 3 || moved == nullptr || IntegerOf(*moved, "a") != 1 ||
      IntegerOf(*moved, "b") != 2 || to.ShapeOf(x).size() != 4)
    return {};
  const Node* split = to.Producer(moved->inputs[0], Operation::kReshape);
  const auto pieces = static_cast<int64_t>(count);
  std::vector<int64_t> shape = to.ShapeOf(moved->inputs[0]);
  if (split == nullptr || shape[3] % pieces != 0) return {};
  shape[3] /= pieces;
  std::vector<int64_t> groups = shape;
  groups.insert(groups.begin() + 3, pieces);
  const ValueId all = to.Reshape(split->inputs[0], groups);
  Values made;
  for (int64_t i = 0; i < pieces && all != kNoValue; ++i) {
    const ValueId piece = to.Slice(all, 3, i, i + 1);
    if (piece == kNoValue) return {};
    made.push_back(to.Transpose(to.Reshape(piece, shape), 1, 2));
  }
  return made;
}

// Of split, chunk and unbind: one slice for each output.
Values Pieces(Rewriter& to, const Raised& node, bool drops_dim) {
  const size_t rank = to.ShapeOf(node.in[0]).size();
  const int64_t dim = node.Dim("dim", 0, rank);
  if (dim < 0) return {};
  const size_t count = node.node.outputs.size();
  bool equal = !drops_dim && dim == 3 && rank == 4;
  for (size_t i = 0; i < count; ++i)
    equal = equal && node.out_shape(i) == node.out_shape(0);
  if (equal) {
    Values heads = PiecesOfHeads(to, node.in[0], count);
    if (!heads.empty()) return heads;
  }
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

// x[arange(B)[:, None, ...], arange(S)]: every place, in order.
ValueId IndexOfAll(Rewriter& to, const Raised& node) {
  const std::vector<int64_t> shape = to.ShapeOf(node.in[0]);
  if (node.in.size() != shape.size() + 1) return kNoValue;
  size_t last = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (node.in[d + 1] == kNoValue) return kNoValue;
    // Along a dimension of its own, behind those before it.
    const std::vector<int64_t>& index = to.ShapeOf(node.in[d + 1]);
    size_t place = 0;
    while (place + 1 < index.size() && index[place] == 1) ++place;
    place += node.out_shape().size() - index.size();
    if (d > 0 && place <= last) return kNoValue;
    last = place;
    const Node* all =
        to.Producer(to.Flattened(node.in[d + 1]), "aten.arange.start", 0);
    if (all == nullptr || AtenInteger(*all, "start", 0) != 0 ||
        AtenInteger(*all, "end", -1) != shape[d] ||
        AtenInteger(*all, "step", 1) != 1)
      return kNoValue;
  }
  return to.Reshape(node.in[0], node.out_shape());
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
  const int64_t dim = node.Dim("dim", 0, node.out_shape().size());
  if (dim < 0) return kNoValue;
  Values parts;
  for (ValueId part : node.in) {
    if (to.ShapeOf(part).size() != node.out_shape().size()) return kNoValue;
    if (to.ShapeOf(part)[dim] > 0) parts.push_back(part);
  }
  if (parts.size() == 1) return parts[0];
  return to.Make(Operation::kConcat, std::move(parts), {{"dim", dim}});
}

// Positions [begin, end) of dimension `dim` of x, of the parts that x is joined
// of where these say it.
void AddPieces(Rewriter& to, ValueId x, int64_t dim, int64_t begin, int64_t end,
               Values* pieces) {
  if (begin >= end) return;
  const Node* join = to.Producer(x, Operation::kConcat);
  if (join == nullptr || IntegerOf(*join, "dim") != dim) {
    pieces->push_back(to.Slice(x, dim, begin, end));
    return;
  }
  const Values parts = join->inputs;
  int64_t at = 0;
  for (ValueId part : parts) {
    const int64_t size = to.ShapeOf(part)[dim];
    AddPieces(to, part, dim, std::max<int64_t>(begin - at, 0),
              std::min(end - at, size), pieces);
    at += size;
  }
}

// x with `source` in the place of some of its positions.
ValueId SliceScatter(Rewriter& to, const Raised& node) {
  const ValueId x = node.in[0];
  const std::vector<int64_t> shape = to.ShapeOf(x);
  const int64_t dim = node.Dim("dim", 0, shape.size());
  if (dim < 0 || node.in.size() != 2 || node.in[1] == kNoValue ||
      node.Integer("step", 1) != 1 ||
      to.ValueOf(x).kind != to.ValueOf(node.in[1]).kind)
    return kNoValue;
  const int64_t begin = node.Integer("start", 0);
  const std::vector<int64_t>& source = to.ShapeOf(node.in[1]);
  if (source.size() != shape.size() || begin < 0 ||
      begin > shape[dim] - source[dim])
    return kNoValue;
  Values pieces;
  AddPieces(to, x, dim, 0, begin, &pieces);
  pieces.push_back(node.in[1]);
  AddPieces(to, x, dim, begin + source[dim], shape[dim], &pieces);
  if (std::count(pieces.begin(), pieces.end(), kNoValue) > 0) return kNoValue;
  return pieces.size() == 1
             ? pieces[0]
             : to.Make(Operation::kConcat, std::move(pieces), {{"dim", dim}});
}

// Casts to the kind that a value has already, and copies of it.
ValueId Same(Rewriter& to, const Raised& node) {
  const ValueKind kind = node.source.values[node.node.outputs[0]].kind;
  if (to.ValueOf(node.in[0]).kind == kind) return node.in[0];
  // A cast between types of numbers, whatever said to which.
  if (node.name() != "aten.type_as.default" || !to.IsNumber(node.in[0]) ||
      (kind != ValueKind::kFloat && kind != ValueKind::kFloat32))
    return kNoValue;
  return to.MakeAten("aten._to_copy.default", {node.in[0]},
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
                     "aten.lift_fresh_copy.default", "aten.type_as.default",
                     "aten.to.dtype"}))
    return {Same(to, node)};
  if (IsOneOf(name,
              {"aten.view.default", "aten.reshape.default",
               "aten._unsafe_view.default", "aten.unsqueeze.default",
               "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims",
               "aten.flatten.using_ints", "aten.unflatten.int",
               "aten.view_as.default", "aten.reshape_as.default"}))
    return {to.Reshape(x, node.out_shape())};
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
  if (name == "aten.index.Tensor") return {IndexOfAll(to, node)};
  if (IsOneOf(name, {"aten.split.Tensor", "aten.split_with_sizes.default",
                     "aten.chunk.default", "aten.split.sizes"}))
    return Pieces(to, node, /*drops_dim=*/false);
  if (name == "aten.unbind.int") return Pieces(to, node, /*drops_dim=*/true);
  if (IsOneOf(name, {"aten.cat.default", "aten.concat.default",
                     "aten.concatenate.default"}))
    return {Concat(to, node)};
  if (name == "aten.stack.default") return {Stack(to, node)};
  if (name == "aten.slice_scatter.default") return {SliceScatter(to, node)};
  return {};
}

}  // namespace autotp::model
