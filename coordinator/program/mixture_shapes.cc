#include "coordinator/program/mixture_shapes.h"

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::program {
namespace {

constexpr int64_t kBestOfGroup = 2;  // experts whose scores rank their group

absl::Status CheckChoice(const Node& node, int64_t experts) {
  const int64_t top_k = IntegerOf(node, "top_k");
  const int64_t groups = IntegerOf(node, "groups", 1);
  const int64_t top_groups = IntegerOf(node, "top_groups", 1);
  if (groups < 1 || experts % groups != 0)
    return Misfit(experts, " experts do not make ", groups, " equal groups");
  if (groups > 1 && experts / groups < kBestOfGroup)
    return Misfit("groups of one expert can't be ranked by their two best");
  if (top_groups < 1 || top_groups > groups)
    return Misfit("'top_groups' is ", top_groups, ", not of 1 to ", groups);
  const int64_t offered = experts / groups * top_groups;
  if (top_k < 1 || top_k > offered)
    return Misfit("'top_k' is ", top_k, ", but ", offered,
                  " are to choose from");
  return absl::OkStatus();
}

}  // namespace

ShapeOutputs RouterShapes(const Node& node, Inputs in) {
  const Value& logits = *in[0];
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  if (logits.shape.empty()) return Misfit("logits are a scalar");
  const int64_t experts = logits.shape.back();
  if (in.size() > 1 && in[1] != nullptr)
    AUTOTP_RETURN_IF_ERROR(NeedShape(*in[1], {experts}, "bias"));
  const std::string& scores = TextOf(node, "scores");
  if (scores != "softmax" && scores != "sigmoid")
    return Misfit("scores '", scores, "' are unknown (softmax, sigmoid)");
  AUTOTP_RETURN_IF_ERROR(CheckChoice(node, experts));
  Shape shape = logits.shape;
  shape.back() = IntegerOf(node, "top_k");
  return std::vector<Value>{{"", shape, ValueKind::kFloat32},
                            {"", shape, ValueKind::kIndex}};
}

ShapeOutputs ExpertsShapes(const Node& node, Inputs in) {
  const Value& x = *in[0];
  const int64_t count = IntegerOf(node, "count");
  if (count < 1 || count > static_cast<int64_t>(in.size()) ||
      in.size() != 3 + 3 * static_cast<size_t>(count)) {
    return Misfit(count, " experts take 3 inputs and 3 more each, got ",
                  in.size());
  }
  if (x.kind == ValueKind::kIndex) return Misfit("x holds indices");
  if (x.shape.empty() || x.shape.back() == 0) return Misfit("x has no columns");
  Shape choices = x.shape;
  choices.back() = in[1]->shape.empty() ? 0 : in[1]->shape.back();
  AUTOTP_RETURN_IF_ERROR(NeedShape(*in[1], choices, "weights"));
  AUTOTP_RETURN_IF_ERROR(NeedShape(*in[2], choices, "experts"));
  AUTOTP_RETURN_IF_ERROR(NeedIndices(*in[2], "experts"));
  AUTOTP_RETURN_IF_ERROR(NeedRank(*in[3], 2, "gate 0"));
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in.subspan(3)));
  const int64_t inner = in[3]->shape[0];
  const int64_t width = x.shape.back();
  for (int64_t e = 0; e < count; ++e) {
    const Shape in_first = {inner, width};
    AUTOTP_RETURN_IF_ERROR(
        NeedShape(*in[3 + e], in_first, absl::StrCat("gate ", e)));
    AUTOTP_RETURN_IF_ERROR(
        NeedShape(*in[3 + count + e], in_first, absl::StrCat("up ", e)));
    AUTOTP_RETURN_IF_ERROR(NeedShape(*in[3 + 2 * count + e], {width, inner},
                                     absl::StrCat("down ", e)));
  }
  return One(x.shape, x.kind);
}

ShapeOutputs RouterLossShapes(const Node& node, Inputs in) {
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  if (in[0]->shape.empty()) return Misfit("logits are a scalar");
  const int64_t top_k = IntegerOf(node, "top_k");
  if (top_k < 1 || top_k > in[0]->shape.back())
    return Misfit("'top_k' is ", top_k, " of ", in[0]->shape.back());
  for (size_t i = 1; i < in.size(); ++i) {
    AUTOTP_RETURN_IF_ERROR(
        NeedShape(*in[i], in[0]->shape, absl::StrCat("input ", i)));
  }
  return One({}, ValueKind::kFloat32);
}

}  // namespace autotp::program
