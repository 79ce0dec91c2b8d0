#include "coordinator/partition/aten_rules.h"

#include <map>
#include <utility>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "coordinator/partition/aten/kinds.h"

namespace autotp::partition {

using program::kNoValue;
using program::Node;
using program::Program;

namespace {

constexpr int kMostLabels = 63;

struct TableRow {
  aten::Kind* kind;
  absl::string_view names;  // without "aten." and overload
};

// Every operation that has a rule, by the kind that labels its dimensions.
constexpr TableRow kTable[] = {
    {aten::Pointwise,
     "__and__ __or__ __xor__ _to_copy abs acos add addcdiv addcmul alias "
     "asin atan atan2 bitwise_and bitwise_not bitwise_or bitwise_xor "
     "ceil celu clamp clamp_max clamp_min clone copy cos cosh detach div "
     "elu empty_like eq erf exp expm1 fill floor floor_divide fmod "
     "full_like ge gelu gt hardsigmoid hardswish hardtanh isinf isnan le "
     "leaky_relu lerp log log1p log_sigmoid logical_and logical_not "
     "logical_or logical_xor lt masked_fill maximum minimum mish mul "
     "nan_to_num ne neg ones_like pow reciprocal relu relu6 remainder "
     "round rsqrt rsub selu sgn sigmoid sign silu sin sinh softplus "
     "softsign sqrt square sub tan tanh threshold trunc where xlogy "
     "zeros_like"},
    {aten::PointwiseButLastTwo, "tril triu"},
    {aten::PointwiseButNormed, "layer_norm rms_norm"},
    {aten::AlongDim,
     "_log_softmax _softmax cummax cumprod cumsum gather log_softmax "
     "logcumsumexp slice slice_scatter softmax"},
    {aten::AlongLastDim, "argsort diff glu sort topk"},
    {aten::AlongDims, "flip roll"},
    {aten::ScatterSelect, "select_scatter"},
    {aten::Pad, "constant_pad_nd pad"},
    {aten::Sum, "sum"},
    {aten::Reduction,
     "all amax amin any argmax argmin linalg_vector_norm logsumexp max "
     "mean min norm prod std var"},
    {aten::MatrixProduct, "bmm matmul"},
    {aten::Einsum, "einsum"},
    {aten::GroupedProduct, "_grouped_mm"},
    {aten::Convolution, "conv1d conv2d conv3d"},
    {aten::Attention, "scaled_dot_product_attention"},
    {aten::Index, "index"},
    {aten::IndexSelect, "index_select"},
};

aten::Kind* KindOf(absl::string_view name) {
  static const auto& kinds = *[] {
    auto* by_name = new std::map<absl::string_view, aten::Kind*>;
    for (const TableRow& row : kTable)
      for (absl::string_view one : absl::StrSplit(row.names, ' '))
        by_name->emplace(one, row.kind);
    return by_name;
  }();
  const auto found = kinds.find(name);
  return found == kinds.end() ? nullptr : found->second;
}

// Nothing is known: every dimension is needed whole. What has no input is
// made whole and sliced.
PlacementRule NoRule(const AtenOperation& op) {
  PlacementRule rule;
  for (const AtenOperation::Shape& shape : op.inputs)
    rule.inputs.emplace_back(shape.size());
  rule.output.resize(op.output.size());
  rule.missing = !op.inputs.empty();
  return rule;
}

// What a cut label could not be found again for is blocked.
void Close(PlacementRule* rule) {
  uint64_t kept = rule->summed | rule->blocked;
  for (const DimLabel& label : rule->output)
    if (label.label != kNoLabel) kept |= uint64_t{1} << label.label;
  for (const AtenOperation::Labels& labels : rule->inputs) {
    for (const DimLabel& label : labels) {
      if (label.label != kNoLabel && (kept >> label.label & 1) == 0)
        rule->blocked |= uint64_t{1} << label.label;
    }
  }
}

}  // namespace

PlacementRule AtenRule(const Program& program, const Node& node) {
  AtenOperation op(program, node);
  size_t dims = op.output.size();
  for (const AtenOperation::Shape& shape : op.inputs) dims += shape.size();
  aten::Kind* const kind = KindOf(op.name);
  if (dims > kMostLabels || node.outputs.size() != 1 || kind == nullptr ||
      !kind(op))
    return NoRule(op);
  Close(&op.rule);
  return std::move(op.rule);
}

}  // namespace autotp::partition
