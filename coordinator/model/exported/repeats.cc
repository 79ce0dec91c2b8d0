// Expansions and repetitions: dimensions of length one, repeated.
#include <algorithm>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Operation;
using program::ValueId;

namespace {

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

}  // namespace

std::vector<ValueId> RaiseRepeats(Rewriter& to, const Raised& node) {
  const absl::string_view name = node.name();
  if (node.in.empty() || node.in[0] == kNoValue) return {};
  for (absl::string_view expansion :
       {"aten.expand.default", "aten.broadcast_to.default",
        "aten.expand_as.default"}) {
    if (name == expansion) return {Expand(to, node.in[0], node.out_shape())};
  }
  if (name == "aten.repeat_interleave.self_int")
    return {RepeatInterleave(to, node)};
  if (name == "aten.repeat.default") return {Repeat(to, node)};
  if (name != "aten.broadcast_tensors.default" ||
      node.in.size() != node.node.outputs.size())
    return {};
  std::vector<ValueId> expanded;
  for (size_t i = 0; i < node.in.size(); ++i)
    expanded.push_back(Expand(to, node.in[i], node.out_shape(i)));
  return expanded;
}

}  // namespace autotp::model
