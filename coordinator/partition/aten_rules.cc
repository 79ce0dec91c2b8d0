#include "coordinator/partition/aten_rules.h"

#include <algorithm>
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

constexpr size_t kMostLabels = 63;
constexpr size_t kPrefix = 5;  // of "aten."

struct TableRow {
  aten::Kind* kind;
  absl::string_view
      names;  // without "aten."; with overload where others differ
};

// Every operation that has a rule, by the kind that labels its dimensions.
constexpr TableRow kTable[] = {
    {aten::Pointwise,
     "__and__ __or__ __xor__ _to_copy abs absolute acos acosh add "
     "addcdiv addcmul alias alias_copy asin asinh atan atan2 atanh "
     "bitwise_and bitwise_left_shift bitwise_not bitwise_or "
     "bitwise_right_shift bitwise_xor ceil celu clamp clamp_max "
     "clamp_min clip clone contiguous copy copysign cos cosh detach "
     "detach_copy div divide elu empty_like eq erf erfc erfinv exp exp2 "
     "expm1 fill fix float_power floor floor_divide fmax fmin fmod frac "
     "full_like ge gelu greater greater_equal gt hardshrink hardsigmoid "
     "hardswish hardtanh heaviside hypot isclose isfinite isinf isnan le "
     "leaky_relu lerp less less_equal lgamma lift_fresh lift_fresh_copy "
     "log log10 log1p log2 log_sigmoid logaddexp logaddexp2 logical_and "
     "logical_not logical_or logical_xor logit lt masked_fill max.other "
     "maximum min.other minimum mish mul multiply nan_to_num ne neg "
     "negative not_equal ones_like positive pow reciprocal relu relu6 "
     "remainder round rsqrt rsub selu sgn sigmoid sign silu sin sinc "
     "sinh softplus softshrink special_erf special_expit "
     "special_expm1 special_log1p sqrt square sub subtract tan tanh "
     "threshold to true_divide trunc where xlogy zeros_like"},
    {aten::PointwiseButLastTwo, "tril triu"},
    {aten::PointwiseButNormed, "layer_norm rms_norm"},
    {aten::AlongDim,
     "_log_softmax _safe_softmax _softmax cummax cummin cumprod cumsum "
     "gather log_softmax logcumsumexp slice slice_copy slice_scatter "
     "softmax special_log_softmax special_softmax"},
    {aten::AlongLastDim, "argsort diff glu sort topk"},
    {aten::AlongDims, "flip roll"},
    {aten::ScatterSelect, "select_scatter"},
    {aten::Pad, "constant_pad_nd pad"},
    {aten::Sum, "sum"},
    {aten::Reduction,
     "all amax amin any argmax argmin count_nonzero linalg_norm "
     "linalg_vector_norm logsumexp max mean min norm prod "
     "special_logsumexp std std_mean var var_mean"},
    {aten::MatrixProduct, "bmm linalg_matmul matmul"},
    {aten::BatchedSum, "baddbmm"},
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

// Values and their positions, say: all have the dimensions of the first.
bool OutputsAreAlike(const AtenOperation& op) {
  return !op.node.outputs.empty() &&
         std::all_of(op.node.outputs.begin(), op.node.outputs.end(),
                     [&op](program::ValueId output) {
                       return op.program.values[output].shape == op.output;
                     });
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
  aten::Kind* kind = KindOf(absl::string_view(node.aten).substr(kPrefix));
  if (kind == nullptr) kind = KindOf(op.name);
  if (dims > kMostLabels || kind == nullptr || !OutputsAreAlike(op) ||
      !kind(op))
    return NoRule(op);
  Close(&op.rule);
  return std::move(op.rule);
}

}  // namespace autotp::partition
