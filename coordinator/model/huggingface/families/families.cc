#include "coordinator/model/huggingface/families/families.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/model/finding.h"
#include "proto/support/nearest.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

constexpr Family kFamilies[] = {
    {"bloom", "transformer", BuildBloom},
    {"cohere", "model", BuildCohere},
    {"cohere2", "model", BuildCohere2},
    {"deepseek_v3", "model", BuildDeepseekV3},
    {"falcon", "transformer", BuildFalcon},
    {"gemma", "model", BuildGemma},
    {"gemma2", "model", BuildGemma2},
    {"gemma3_text", "model", BuildGemma3},
    {"glm", "model", BuildGlm},
    {"glm4", "model", BuildGlm4},
    {"gpt2", "transformer", BuildGpt2},
    {"gpt_neox", "gpt_neox", BuildGptNeoX},
    {"gptj", "transformer", BuildGptJ},
    {"granite", "model", BuildGranite},
    {"llama", "model", BuildLlama},
    {"mistral", "model", BuildMistral},
    {"mixtral", "model", BuildMixtral},
    {"olmo", "model", BuildOlmo},
    {"olmo2", "model", BuildOlmo2},
    {"opt", "model", BuildOpt},
    {"phi", "model", BuildPhi},
    {"phi3", "model", BuildPhi3},
    {"qwen2", "model", BuildQwen2},
    {"qwen2_moe", "model", BuildQwen2Moe},
    {"qwen3", "model", BuildQwen3},
    {"qwen3_moe", "model", BuildQwen3Moe},
    {"smollm3", "model", BuildSmolLm3},
    {"stablelm", "model", BuildStableLm},
    {"starcoder2", "model", BuildStarcoder2},
};

std::vector<absl::string_view> Names() {
  std::vector<absl::string_view> names;
  for (const Family& family : kFamilies) names.push_back(family.model_type);
  return names;
}

}  // namespace

absl::Span<const Family> Families() { return kFamilies; }

absl::StatusOr<Family> FindFamily(ConfigReader& config) {
  const std::string type = config.Text("model_type", "");
  AUTOTP_RETURN_IF_ERROR(config.status());
  for (const Family& family : kFamilies)
    if (family.model_type == type) return family;
  Finding finding{
      .reason = "MODEL_TYPE_UNKNOWN",
      .file = config.file(),
      .suggestion = absl::StrCat("known are ", absl::StrJoin(Names(), ", ")),
      .json_pointer = "/model_type"};
  if (type.empty()) {
    finding.message = "has no 'model_type', so its family is not known";
    return ToStatus(finding);
  }
  const std::optional<MemberPlace> place =
      FindMember(config.text(), {"model_type"});
  if (place.has_value()) SetPlace(config.text(), place->value_begin, &finding);
  finding.message = absl::StrCat("'model_type' is '", type.substr(0, 64),
                                 "', which is not known");
  if (config.Has("auto_map")) {
    absl::StrAppend(&finding.message,
                    "; its code comes with the folder ('auto_map') and is not "
                    "run here");
  }
  const absl::string_view nearest = Nearest(type, Names());
  if (!nearest.empty()) {
    finding.suggestion =
        absl::StrCat("did you mean '", nearest, "'? ", finding.suggestion);
  }
  return ToStatus(finding);
}

}  // namespace autotp::model
