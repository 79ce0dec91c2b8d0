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

struct FamilyProgram {
  program::Program program;
  DecoderSizes sizes;
};

// Findings: MODEL_CONFIG_INVALID.
using BuildFamily = absl::StatusOr<FamilyProgram> (*)(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings);

absl::StatusOr<FamilyProgram> BuildLlama(ConfigReader& config,
                                         const InputShape& input,
                                         std::vector<v1::Diagnostic>* warnings);
absl::StatusOr<FamilyProgram> BuildMistral(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings);
absl::StatusOr<FamilyProgram> BuildQwen2(ConfigReader& config,
                                         const InputShape& input,
                                         std::vector<v1::Diagnostic>* warnings);
absl::StatusOr<FamilyProgram> BuildQwen3(ConfigReader& config,
                                         const InputShape& input,
                                         std::vector<v1::Diagnostic>* warnings);

struct Family {
  absl::string_view model_type;
  absl::string_view base_model_prefix;
  BuildFamily build;
};

// Sorted by model_type.
absl::Span<const Family> Families();

// The family of config.json's model_type. Findings: MODEL_TYPE_UNKNOWN, with
// the nearest known one.
absl::StatusOr<Family> FindFamily(ConfigReader& config);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_FAMILIES_H_
