// precision_section.cc -- `bf16` (or `bfloat16`) and `data_types`.
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/sections.h"

namespace autotp::config {
namespace {

void ReadAccumulationType(const JsonDocument& document,
                          Diagnostics* diagnostics) {
  const SectionReader section(document, document.root().Find("data_types"),
                              diagnostics);
  const std::optional<std::string> type = section.Text("grad_accum_dtype");
  if (!type.has_value()) return;
  const std::string name = absl::AsciiStrToLower(*type);
  if (name == "fp32" || name == "float32" || name == "float") return;
  const SourcePlace place = section.PlaceOf("grad_accum_dtype");
  if (name == "bf16" || name == "bfloat16" || name == "fp16" ||
      name == "float16" || name == "half") {
    diagnostics->Warning(place, "KEY_WITHOUT_EFFECT",
                         absl::StrCat("grad_accum_dtype ", *type,
                                      " has no effect here: gradients are "
                                      "added up in fp32"),
                         "write \"fp32\"");
  } else {
    diagnostics->Error(place, "UNKNOWN_VALUE",
                       absl::StrCat("grad_accum_dtype is \"", *type,
                                    "\"; \"fp32\" is allowed"),
                       "write \"fp32\"");
  }
}

}  // namespace

v1::DataType ReadPrecision(const JsonDocument& document,
                           Diagnostics* diagnostics) {
  ReadAccumulationType(document, diagnostics);
  const JsonNode* bf16 = document.root().Find("bf16");
  const JsonNode* bfloat16 = document.root().Find("bfloat16");
  if (bf16 != nullptr && bfloat16 != nullptr) {
    diagnostics->Error(document.PlaceOf(*bfloat16), "DUPLICATE_SECTION",
                       "bf16 and bfloat16 are two names of one section",
                       "keep \"bf16\"");
    return v1::DATA_TYPE_FLOAT32;
  }
  const SectionReader section(document, bf16 ? bf16 : bfloat16, diagnostics);
  const bool enabled = section.Boolean("enabled").value_or(false);
  return enabled ? v1::DATA_TYPE_BFLOAT16 : v1::DATA_TYPE_FLOAT32;
}

}  // namespace autotp::config
