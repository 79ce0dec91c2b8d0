// families.h -- which model types are known, and who builds their programs.
//
// A family is one file: it reads the keys of its config.json beyond the
// common ones and says what its blocks are. To add one: its file, its
// declaration here, its line in families.cc.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_FAMILIES_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_FAMILIES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "coordinator/model/huggingface/decoder.h"

namespace autotp::model {

// Findings: MODEL_CONFIG_INVALID.
using BuildFamilyFunction =
    absl::StatusOr<FamilyProgram>(ConfigReader& config, const InputShape& input,
                                  std::vector<v1::Diagnostic>* warnings);

BuildFamilyFunction BuildBloom;
BuildFamilyFunction BuildCohere;
BuildFamilyFunction BuildCohere2;
BuildFamilyFunction BuildDeepseekV3;
BuildFamilyFunction BuildFalcon;
BuildFamilyFunction BuildGemma;
BuildFamilyFunction BuildGemma2;
BuildFamilyFunction BuildGemma3;
BuildFamilyFunction BuildGlm;
BuildFamilyFunction BuildGlm4;
BuildFamilyFunction BuildGpt2;
BuildFamilyFunction BuildGptJ;
BuildFamilyFunction BuildGptNeoX;
BuildFamilyFunction BuildGranite;
BuildFamilyFunction BuildLlama;
BuildFamilyFunction BuildMistral;
BuildFamilyFunction BuildMixtral;
BuildFamilyFunction BuildOlmo;
BuildFamilyFunction BuildOlmo2;
BuildFamilyFunction BuildOpt;
BuildFamilyFunction BuildPhi;
BuildFamilyFunction BuildPhi3;
BuildFamilyFunction BuildQwen2;
BuildFamilyFunction BuildQwen2Moe;
BuildFamilyFunction BuildQwen3;
BuildFamilyFunction BuildQwen3Moe;
BuildFamilyFunction BuildSmolLm3;
BuildFamilyFunction BuildStableLm;
BuildFamilyFunction BuildStarcoder2;

struct Family {
  absl::string_view model_type;
  absl::string_view base_model_prefix;
  BuildFamilyFunction* build;
};

// Sorted by model_type.
absl::Span<const Family> Families();

// The family of config.json's model_type. Findings: MODEL_TYPE_UNKNOWN, with
// the nearest known one.
absl::StatusOr<Family> FindFamily(ConfigReader& config);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_FAMILIES_H_
