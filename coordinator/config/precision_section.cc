// precision_section.cc -- `bf16` (or `bfloat16`) and `data_types`.
#include "absl/strings/str_cat.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/sections.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kDataTypeNames =
    "fp32|float32|float|fp16|float16|half|bf16|bfloat16";

void ReadAccumulationType(const JsonDocument& document,
                          Diagnostics* diagnostics) {
  const SectionReader section(document, document.root().Find("data_types"),
                              diagnostics);
  const std::optional<std::string> type =
      section.Choice("grad_accum_dtype", kDataTypeNames);
  if (!type.has_value() || *type == "fp32" || *type == "float32" ||
      *type == "float") {
    return;
  }
  diagnostics->Warning(
      section.PlaceOf("grad_accum_dtype"), "KEY_WITHOUT_EFFECT",
      absl::StrCat("grad_accum_dtype ", *type,
                   " has no effect here: gradients are added up in fp32"),
      "write \"fp32\"");
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
