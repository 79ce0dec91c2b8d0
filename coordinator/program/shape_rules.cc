#include "coordinator/program/shape_rules.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "coordinator/program/collective_shapes.h"
#include "coordinator/program/mixture_shapes.h"
#include "coordinator/program/position_shapes.h"
#include "coordinator/program/shape_checks.h"
#include "coordinator/program/signature.h"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"

namespace autotp::program {
namespace {

using Outputs = ShapeOutputs;

// The local form {row_begin, row_end} has to describe `rows` rows.
absl::Status CheckRows(const Node& node, int64_t rows) {
  const int64_t begin = IntegerOf(node, "row_begin", -1);
  const int64_t end = IntegerOf(node, "row_end", -1);
  if (begin == -1 && end == -1) return absl::OkStatus();
  if (begin < 0 || end < begin || end - begin != rows) {
    return Misfit("rows [", begin, ", ", end, ") do not fit the ", rows,
                  " rows that are here");
  }
  return absl::OkStatus();
}

Outputs Embedding(const Node& node, Inputs in) {
  const Value& weight = *in[0];
  const Value& ids = *in[1];
  AUTOTP_RETURN_IF_ERROR(NeedRank(weight, 2, "weight"));
  AUTOTP_RETURN_IF_ERROR(NeedIndices(ids, "ids"));
  AUTOTP_RETURN_IF_ERROR(CheckRows(node, weight.shape[0]));
  Shape shape = ids.shape;
  shape.push_back(weight.shape[1]);
  return One(std::move(shape), ValueKind::kFloat);
}

Outputs Linear(const Node& node, Inputs in) {
  const Value& x = *in[0];
  const Value& weight = *in[1];
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  AUTOTP_RETURN_IF_ERROR(NeedRank(weight, 2, "weight"));
  const bool transposed = FlagOf(node, "transposed", false);
  const int64_t columns = weight.shape[transposed ? 0 : 1];
  const int64_t rows = weight.shape[transposed ? 1 : 0];
  if (x.shape.empty() || x.shape.back() != columns) {
    return Misfit("x ", ShapeText(x.shape), " does not end in the ", columns,
                  transposed ? " rows" : " columns", " of weight ",
                  ShapeText(weight.shape));
  }
  if (in.size() > 2 && in[2] != nullptr)
    AUTOTP_RETURN_IF_ERROR(NeedShape(*in[2], {rows}, "bias"));
  Shape shape = x.shape;
  shape.back() = rows;
  return One(std::move(shape), FlagOf(node, "float32", false)
                                   ? ValueKind::kFloat32
                                   : ValueKind::kFloat);
}

Outputs Norm(const Node& node, Inputs in) {
  const Value& x = *in[0];
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  if (x.shape.empty()) return Misfit("x is a scalar");
  if (in.size() > 1 && in[1] != nullptr)
    AUTOTP_RETURN_IF_ERROR(NeedShape(*in[1], {x.shape.back()}, "weight"));
  if (in.size() > 2 && in[2] != nullptr)
    AUTOTP_RETURN_IF_ERROR(NeedShape(*in[2], {x.shape.back()}, "bias"));
  const int64_t size = IntegerOf(node, "size", x.shape.back());
  if (size < x.shape.back())
    return Misfit("'size' is ", size, ", but ", x.shape.back(), " are here");
  return One(x.shape, x.kind);
}

// What is dropped, and which part of dimension `dim` of a cut value is here.
absl::Status CheckDropout(const Node& node, double probability,
                          const Value& value, size_t dim) {
  if (!(probability >= 0 && probability <= 1))
    return Misfit("probability ", probability, " is not between 0 and 1");
  if (IntegerOf(node, "stream", -1) < 0)
    return Misfit("'stream' is missing or negative");
  if (node.attributes.find("intervals") == node.attributes.end())
    return absl::OkStatus();
  AUTOTP_ASSIGN_OR_RETURN(const Intervals own,
                          Decode(IntegersOf(node, "intervals")));
  const int64_t size = IntegerOf(node, "size", 0);
  for (const Interval& interval : own) {
    if (interval.begin < 0 || interval.end > size)
      return Misfit("an interval is outside of [0, ", size, ")");
  }
  Shape whole = value.shape;
  whole[dim] = size;
  AUTOTP_RETURN_IF_ERROR(CheckLimits(whole));
  if (Length(own) != value.shape[dim]) {
    return Misfit("intervals of length ", Length(own), " for dimension ", dim,
                  " of length ", value.shape[dim]);
  }
  return absl::OkStatus();
}

Outputs Dropout(const Node& node, Inputs in) {
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  const Value& x = *in[0];
  if (x.shape.size() < 2) return Misfit("x has no dimension of sequences");
  size_t dim = 0;
  if (node.attributes.find("dim") != node.attributes.end()) {
    AUTOTP_ASSIGN_OR_RETURN(dim, DimOf(node, "dim", x));
  }
  AUTOTP_RETURN_IF_ERROR(
      CheckDropout(node, NumberOf(node, "probability"), x, dim));
  return One(x.shape, x.kind);
}

Outputs Attention(const Node& node, Inputs in) {
  const Value& q = *in[0];
  const Value& k = *in[1];
  AUTOTP_RETURN_IF_ERROR(
      NeedNumbers(in.subspan(0, std::min<size_t>(in.size(), 4))));
  AUTOTP_RETURN_IF_ERROR(NeedRank(q, 4, "q"));
  AUTOTP_RETURN_IF_ERROR(NeedRank(k, 4, "k"));
  const int64_t heads = q.shape[1];
  const int64_t groups = k.shape[1];
  const bool grouped =
      groups == 0 ? heads == 0 : heads > 0 && heads % groups == 0;
  if (!grouped) {
    return Misfit(heads, " query heads are no multiple of ", groups,
                  " key and value heads");
  }
  const bool causal = FlagOf(node, "causal", true);
  const int64_t window = IntegerOf(node, "window", 0);
  // Which token a key is to a query is known where there are as many.
  const int64_t keys = causal || window != 0 ? q.shape[2] : k.shape[2];
  AUTOTP_RETURN_IF_ERROR(
      NeedShape(k, {q.shape[0], groups, keys, q.shape[3]}, "k"));
  AUTOTP_RETURN_IF_ERROR(NeedRank(*in[2], 4, "v"));
  Shape values = k.shape;
  values[3] = in[2]->shape[3];
  AUTOTP_RETURN_IF_ERROR(NeedShape(*in[2], values, "v"));
  if (in.size() > 3 && in[3] != nullptr)
    AUTOTP_RETURN_IF_ERROR(NeedShape(*in[3], {heads, keys}, "bias"));
  if (in.size() > 4 && in[4] != nullptr) {
    if (!causal) return Misfit("positions need causal attention");
    AUTOTP_RETURN_IF_ERROR(NeedIndices(*in[4], "positions"));
    AUTOTP_RETURN_IF_ERROR(
        NeedShape(*in[4], {q.shape[0], q.shape[2]}, "positions"));
  }
  if (in.size() > 5 && in[5] != nullptr) {
    if (in[5]->kind != ValueKind::kBool) return Misfit("seen is no mask");
    AUTOTP_RETURN_IF_ERROR(NeedShape(*in[5], {q.shape[0], keys}, "seen"));
  }
  if (window < 0) return Misfit("'window' is negative");
  if (!(NumberOf(node, "soft_cap", 0) >= 0))
    return Misfit("'soft_cap' is negative");
  if (const double dropout = NumberOf(node, "dropout", 0); dropout != 0)
    AUTOTP_RETURN_IF_ERROR(CheckDropout(node, dropout, q, 1));
  Shape shape = q.shape;
  shape[3] = values[3];
  return One(std::move(shape), q.kind);
}

absl::Status CheckActivationKind(const Node& node) {
  const std::string& kind = TextOf(node, "kind");
  for (absl::string_view known :
       {"silu", "gelu", "gelu_tanh", "relu", "sigmoid"})
    if (kind == known) return absl::OkStatus();
  const bool limited = kind == "soft_cap" || kind == "clamp";
  if (!limited || node.operation != Operation::kActivation) {
    return Misfit("activation '", kind,
                  "' is unknown (silu, gelu, gelu_tanh, relu, sigmoid)");
  }
  if (NumberOf(node, "limit", 0) > 0) return absl::OkStatus();
  return Misfit("activation '", kind, "' needs a positive 'limit'");
}

Outputs Activation(const Node& node, Inputs in) {
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  AUTOTP_RETURN_IF_ERROR(CheckActivationKind(node));
  if (in.size() > 1)
    AUTOTP_RETURN_IF_ERROR(NeedShape(*in[1], in[0]->shape, "up"));
  return One(in[0]->shape, in[0]->kind);
}

Outputs Elementwise(Inputs in) {
  const Shape& a = in[0]->shape;
  const Shape& b = in[1]->shape;
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  bool fits = b.size() <= a.size();
  for (size_t i = 1; fits && i <= b.size(); ++i)
    fits = b[b.size() - i] == 1 || b[b.size() - i] == a[a.size() - i];
  if (!fits)
    return Misfit("b ", ShapeText(b), " does not broadcast to a ",
                  ShapeText(a));
  return One(a, in[0]->kind);
}

Outputs Reshape(const Node& node, Inputs in) {
  const Shape& shape = IntegersOf(node, "shape");
  if (!CheckLimits(shape).ok() ||
      ElementCount(shape) != ElementCount(in[0]->shape)) {
    return Misfit(ShapeText(in[0]->shape), " does not have the elements of ",
                  ShapeText(shape));
  }
  return One(shape, in[0]->kind);
}

Outputs Transpose(const Node& node, Inputs in) {
  AUTOTP_ASSIGN_OR_RETURN(const size_t a, DimOf(node, "a", *in[0]));
  AUTOTP_ASSIGN_OR_RETURN(const size_t b, DimOf(node, "b", *in[0]));
  Shape shape = in[0]->shape;
  std::swap(shape[a], shape[b]);
  return One(std::move(shape), in[0]->kind);
}

Outputs Slice(const Node& node, Inputs in) {
  AUTOTP_ASSIGN_OR_RETURN(const size_t dim, DimOf(node, "dim", *in[0]));
  const int64_t begin = IntegerOf(node, "begin");
  const int64_t end = IntegerOf(node, "end");
  Shape shape = in[0]->shape;
  if (begin < 0 || end < begin || end > shape[dim]) {
    return Misfit("[", begin, ", ", end, ") does not lie in dimension ", dim,
                  " of ", ShapeText(shape));
  }
  shape[dim] = end - begin;
  return One(std::move(shape), in[0]->kind);
}

Outputs Concat(const Node& node, Inputs in) {
  AUTOTP_ASSIGN_OR_RETURN(const size_t dim, DimOf(node, "dim", *in[0]));
  Shape shape = in[0]->shape;
  for (size_t i = 1; i < in.size(); ++i) {
    Shape expected = in[0]->shape;
    if (in[i]->shape.size() == expected.size())
      expected[dim] = in[i]->shape[dim];
    AUTOTP_RETURN_IF_ERROR(
        NeedShape(*in[i], expected, absl::StrCat("input ", i)));
    if (in[i]->kind != in[0]->kind)
      return Misfit("input ", i, " is of another kind than input 0");
    shape[dim] += in[i]->shape[dim];
  }
  return One(std::move(shape), in[0]->kind);
}

Outputs Stack(Inputs in) {
  for (size_t i = 1; i < in.size(); ++i) {
    AUTOTP_RETURN_IF_ERROR(
        NeedShape(*in[i], in[0]->shape, absl::StrCat("input ", i)));
    if (in[i]->kind != in[0]->kind)
      return Misfit("input ", i, " is of another kind than input 0");
  }
  Shape shape = in[0]->shape;
  shape.insert(shape.begin(), static_cast<int64_t>(in.size()));
  return One(std::move(shape), in[0]->kind);
}

Outputs Expand(const Node& node, Inputs in) {
  AUTOTP_ASSIGN_OR_RETURN(const size_t dim, DimOf(node, "dim", *in[0]));
  const int64_t size = IntegerOf(node, "size");
  Shape shape = in[0]->shape;
  if (shape[dim] != 1 || size < 0) {
    return Misfit("dimension ", dim, " of ", ShapeText(shape),
                  " can't be repeated ", size, " times");
  }
  shape[dim] = size;
  return One(std::move(shape), in[0]->kind);
}

Outputs CrossEntropy(const Node& node, Inputs in) {
  const Value& logits = *in[0];
  if (logits.kind == ValueKind::kIndex)
    return Misfit("logits are indices, need numbers");
  AUTOTP_RETURN_IF_ERROR(NeedRank(logits, 3, "logits"));
  AUTOTP_RETURN_IF_ERROR(NeedIndices(*in[1], "labels"));
  AUTOTP_RETURN_IF_ERROR(
      NeedShape(*in[1], {logits.shape[0], logits.shape[1]}, "labels"));
  AUTOTP_RETURN_IF_ERROR(CheckRows(node, logits.shape[2]));
  return One({}, ValueKind::kFloat32);
}

Outputs SameNumbers(Inputs in) {
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  return One(in[0]->shape, in[0]->kind);
}

}  // namespace

int64_t ElementCount(absl::Span<const int64_t> shape) {
  int64_t count = 1;
  for (int64_t dim : shape) count *= dim;
  return count;
}

absl::StatusOr<std::vector<Value>> InferOutputs(const Node& node, Inputs in) {
  AUTOTP_RETURN_IF_ERROR(CheckSignature(node));
  AUTOTP_CHECK(in.size() == node.inputs.size());
  switch (node.operation) {
    case Operation::kEmbedding:
      return Embedding(node, in);
    case Operation::kLinear:
      return Linear(node, in);
    case Operation::kRmsNorm:
    case Operation::kLayerNorm:
      return Norm(node, in);
    case Operation::kRotaryTable:
      return RotaryTableShapes(node);
    case Operation::kRotary:
      return RotaryShapes(in);
    case Operation::kAlibiTable:
      return AlibiTableShapes(node);
    case Operation::kAttention:
      return Attention(node, in);
    case Operation::kActivation:
    case Operation::kGatedActivation:
      return Activation(node, in);
    case Operation::kAdd:
    case Operation::kMul:
      return Elementwise(in);
    case Operation::kDropout:
      return Dropout(node, in);
    case Operation::kScale:
    case Operation::kCopy:
    case Operation::kAllReduce:
      return SameNumbers(in);
    case Operation::kReshape:
      return Reshape(node, in);
    case Operation::kTranspose:
      return Transpose(node, in);
    case Operation::kSlice:
      return Slice(node, in);
    case Operation::kConcat:
      return Concat(node, in);
    case Operation::kStack:
      return Stack(in);
    case Operation::kExpand:
      return Expand(node, in);
    case Operation::kRouter:
      return RouterShapes(node, in);
    case Operation::kExperts:
      AUTOTP_RETURN_IF_ERROR(CheckActivationKind(node));
      return ExpertsShapes(node, in);
    case Operation::kRouterLoss:
      return RouterLossShapes(node, in);
    case Operation::kCrossEntropy:
      return CrossEntropy(node, in);
    case Operation::kAten:
      return Misfit("has shapes that are not inferred");
    case Operation::kAllGather:
      return AllGatherShapes(node, in);
    case Operation::kReduceScatter:
      return ReduceScatterShapes(node, in);
    case Operation::kTake:
      return TakeShapes(node, in);
  }
  AUTOTP_CHECK(false, "operation ", static_cast<int>(node.operation));
  return std::vector<Value>{};
}

absl::StatusOr<std::vector<Value>> InferOutputs(const Program& program,
                                                const Node& node) {
  std::vector<const Value*> inputs;
  inputs.reserve(node.inputs.size());
  for (ValueId id : node.inputs)
    inputs.push_back(id == kNoValue ? nullptr : &program.values[id]);
  return InferOutputs(node, inputs);
}

}  // namespace autotp::program
