#include "coordinator/model/huggingface/weight_match.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/huggingface/fused_experts.h"
#include "coordinator/program/shape_rules.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

constexpr size_t kNamesShown = 4;

std::string Shorten(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamesShown);
  std::string text = absl::StrJoin(names.begin(), names.begin() + shown, ", ");
  if (names.size() > shown)
    absl::StrAppend(&text, " and ", names.size() - shown, " more");
  return text;
}

// Buffers that older versions of Transformers stored beside the weights: masks
// and rotary frequencies.
bool IsBuffer(absl::string_view name) {
  for (absl::string_view buffer :
       {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias",
        ".attention.bias", ".attention.masked_bias"})
    if (absl::EndsWith(name, buffer)) return true;
  return false;
}

class Matcher {
 public:
  Matcher(std::string folder, const WeightTensors& tensors,
          absl::string_view base_prefix)
      : folder_(std::move(folder)),
        tensors_(tensors),
        prefix_(absl::StrCat(base_prefix, ".")) {}

  absl::Status Match(program::Parameter* parameter) {
    std::vector<std::string> names = {parameter->name};
    names.insert(names.end(), parameter->aliases.begin(),
                 parameter->aliases.end());
    if (absl::StartsWith(parameter->name, prefix_)) {
      names.emplace_back(absl::StripPrefix(parameter->name, prefix_));
    }
    const std::string modern = ModernName(parameter->name);
    if (modern != parameter->name) names.push_back(modern);
    const WeightTensor* source = nullptr;
    for (const std::string& name : names) {
      const auto found = tensors_.find(name);
      if (found == tensors_.end()) continue;
      used_.insert(name);
      AUTOTP_RETURN_IF_ERROR(Check(*parameter, name, found->second));
      if (source != nullptr) {
        twice_.push_back(name);
        continue;
      }
      source = &found->second;
      parameter->source_file = source->file;
      parameter->source_tensor = name;
    }
    if (source != nullptr) return absl::OkStatus();
    return MatchFused(parameter);
  }

  absl::Status Missing() const {
    if (missing_.empty()) return absl::OkStatus();
    const bool head = missing_.size() == 1 && missing_[0] == "lm_head.weight";
    return ToStatus(
        {.reason = "WEIGHTS_INCOMPLETE",
         .file = folder_,
         .message =
             absl::StrCat("lacks ", missing_.size(),
                          " of the model's tensors: ", Shorten(missing_)),
         .suggestion =
             head ? "if the head shares the embedding's weights, set "
                    "'tie_word_embeddings' to true in config.json"
                  : "check that config.json and the weights are of one model"});
  }

  std::vector<v1::Diagnostic> Warnings() const {
    std::vector<v1::Diagnostic> warnings;
    std::vector<std::string> unused;
    for (const auto& [name, tensor] : tensors_)
      if (!used_.contains(name) && !IsBuffer(name)) unused.push_back(name);
    if (!unused.empty()) {
      warnings.push_back(ToWarning(
          {.reason = "WEIGHTS_UNUSED",
           .file = folder_,
           .message = absl::StrCat(
               "holds ", unused.size(),
               " tensors that the model does not have: ", Shorten(unused)),
           .suggestion = "they are neither trained nor exported"}));
    }
    if (!twice_.empty()) {
      warnings.push_back(ToWarning(
          {.reason = "WEIGHTS_UNUSED",
           .file = folder_,
           .message = absl::StrCat("stores tied weights a second time: ",
                                   Shorten(twice_)),
           .suggestion = "the first is used; set 'tie_word_embeddings' to "
                         "false if they differ"}));
    }
    return warnings;
  }

 private:
  // In a tensor of all experts, else it is missing.
  absl::Status MatchFused(program::Parameter* parameter) {
    std::optional<FusedPlace> place = FindFusedPlace(parameter->name);
    auto found = tensors_.end();
    if (place.has_value()) {
      found = tensors_.find(place->tensor);
      if (found == tensors_.end())
        found = tensors_.find(absl::StripPrefix(place->tensor, prefix_));
    }
    if (found == tensors_.end()) {
      missing_.push_back(parameter->name);
      return absl::OkStatus();
    }
    const std::optional<int64_t> offset =
        OffsetIn(*place, found->second.stored.shape, parameter->shape);
    if (!offset.has_value())
      return Misshapen(*parameter, found->first, found->second);
    AUTOTP_RETURN_IF_ERROR(CheckElements(found->first, found->second));
    used_.insert(found->first);
    parameter->source_file = found->second.file;
    parameter->source_tensor = found->first;
    parameter->source_offset = *offset;
    parameter->source_shape = found->second.stored.shape;
    return absl::OkStatus();
  }

  static absl::Status Check(const program::Parameter& parameter,
                            const std::string& name,
                            const WeightTensor& tensor) {
    if (tensor.stored.shape != parameter.shape)
      return Misshapen(parameter, name, tensor);
    return CheckElements(name, tensor);
  }

  static absl::Status Misshapen(const program::Parameter& parameter,
                                const std::string& name,
                                const WeightTensor& tensor) {
    return ToStatus(
        {.reason = "WEIGHTS_SHAPE_MISMATCH",
         .file = tensor.file,
         .message = absl::StrCat("tensor '", name, "' has shape ",
                                 program::ShapeText(tensor.stored.shape),
                                 ", config.json makes ",
                                 name == parameter.name ? "it" : parameter.name,
                                 " ", program::ShapeText(parameter.shape)),
         .suggestion =
             "check that config.json and the weights are of one model"});
  }

  static absl::Status CheckElements(const std::string& name,
                                    const WeightTensor& tensor) {
    for (absl::string_view dtype : {"F32", "BF16", "F16"})
      if (tensor.stored.dtype == dtype) return absl::OkStatus();
    return ToStatus(
        {.reason = "WEIGHTS_DTYPE_UNSUPPORTED",
         .file = tensor.file,
         .message = absl::StrCat("tensor '", name, "' is stored as ",
                                 tensor.stored.dtype,
                                 ", only F32, BF16 and F16 can be trained"),
         .suggestion = "save the model in one of these"});
  }

  const std::string folder_;
  const WeightTensors& tensors_;
  const std::string prefix_;
  std::set<std::string> used_;
  std::vector<std::string> missing_;
  std::vector<std::string> twice_;
};

}  // namespace

absl::Status MatchWeights(const std::string& folder,
                          const WeightTensors& tensors,
                          absl::string_view base_prefix,
                          program::Program* program,
                          std::vector<v1::Diagnostic>* warnings) {
  Matcher matcher(folder, tensors, base_prefix);
  for (program::Parameter& parameter : program->parameters)
    AUTOTP_RETURN_IF_ERROR(matcher.Match(&parameter));
  AUTOTP_RETURN_IF_ERROR(matcher.Missing());
  for (v1::Diagnostic& warning : matcher.Warnings())
    warnings->push_back(std::move(warning));
  return absl::OkStatus();
}

}  // namespace autotp::model
