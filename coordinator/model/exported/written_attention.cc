// Attention with dropout and a mask that ours does not have, written out.
#include <cmath>
#include <limits>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

// Heads that each serve several query heads, repeated for them.
ValueId Repeated(Rewriter& to, ValueId heads, int64_t count) {
  const Shape shape = to.ShapeOf(heads);
  if (shape.size() != 4 || shape[1] == count) return heads;
  if (shape[1] == 0 || count % shape[1] != 0) return kNoValue;
  const ValueId apart =
      to.Reshape(heads, {shape[0], shape[1], 1, shape[2], shape[3]});
  const ValueId repeated =
      to.Make(Operation::kExpand, {apart},
              {{"dim", int64_t{2}}, {"size", count / shape[1]}});
  return repeated == kNoValue
             ? repeated
             : to.Reshape(repeated, {shape[0], count, shape[2], shape[3]});
}

}  // namespace

ValueId WriteOutAttention(Rewriter& to, const Raised& node) {
  const ValueId q = to.WithoutCasts(node.in[0]);
  const ValueId mask = node.in.size() > 3 ? node.in[3] : kNoValue;
  const Shape queries = to.ShapeOf(q);
  const auto rank = static_cast<int64_t>(queries.size());
  if (rank < 2 || node.Flag("is_causal", false)) return kNoValue;
  const double scale =
      node.Number("scale", 1 / std::sqrt(static_cast<double>(queries.back())));
  const bool grouped = node.Flag("enable_gqa", false) && rank == 4;
  const int64_t heads = grouped ? queries[1] : 0;
  const ValueId keys = grouped ? Repeated(to, node.in[1], heads) : node.in[1];
  const ValueId values = grouped ? Repeated(to, node.in[2], heads) : node.in[2];
  if (keys == kNoValue || values == kNoValue) return kNoValue;
  if (to.ShapeOf(keys).size() != queries.size()) return kNoValue;
  const program::Value out = node.source.values[node.node.outputs[0]];
  program::Value scores = out;
  scores.shape.back() = to.ShapeOf(keys)[rank - 2];
  const ValueId turned = to.Transpose(keys, rank - 2, rank - 1);
  ValueId weights = to.MakeAten("aten.matmul.default", {q, turned}, scores);
  weights = to.Make(Operation::kScale, {weights}, {{"factor", scale}});
  if (weights == kNoValue) return kNoValue;
  const bool allows =
      mask != kNoValue && to.ValueOf(mask).kind == program::ValueKind::kBool;
  if (allows) {
    const ValueId never =
        to.MakeAten("aten.full.default", {}, {"", {}, scores.kind},
                    {{"size", Shape{}},
                     {"fill_value", -std::numeric_limits<double>::infinity()}});
    weights = to.MakeAten("aten.where.self", {mask, weights, never}, scores);
  } else if (mask != kNoValue) {
    weights = to.MakeAten("aten.add.Tensor", {weights, mask}, scores);
  }
  // A query that may see nothing gets nothing.
  weights =
      to.MakeAten(allows ? "aten._safe_softmax.default" : "aten.softmax.int",
                  {weights}, scores, {{"dim", int64_t{-1}}});
  weights = Drop(to, weights, node.Number("dropout_p", 0), to.NextStream(),
                 node.source);
  if (weights == kNoValue) return kNoValue;
  return to.MakeAten("aten.matmul.default", {weights, values}, out);
}

}  // namespace autotp::model
