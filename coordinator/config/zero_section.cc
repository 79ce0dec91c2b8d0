// zero_section.cc -- `zero_optimization`: the stage and the bucket sizes.
#include "absl/strings/str_cat.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/sections.h"

namespace autotp::config {

ZeroSettings ReadZero(const JsonDocument& document,
                      int64_t tensor_parallel_size, Diagnostics* diagnostics) {
  ZeroSettings zero;
  const JsonNode* node = document.root().Find("zero_optimization");
  if (node != nullptr && node->kind == JsonNode::Kind::kBoolean) {
    zero.stage = node->boolean ? 1 : 0;
    diagnostics->Warning(
        document.PlaceOf(*node), "DEPRECATED_FORM",
        node->boolean ? "zero_optimization true means stage 1"
                      : "zero_optimization false means stage 0",
        node->boolean ? "write \"zero_optimization\": {\"stage\": 1}"
                      : "take it out");
    return zero;
  }
  const SectionReader section(document, node, diagnostics);
  const int64_t stage = section.Integer("stage", 0, 3).value_or(0);
  if (stage == 3) {
    diagnostics->Error(
        section.PlaceOf("stage"), "ZERO_STAGE_NOT_SUPPORTED",
        tensor_parallel_size > 1
            ? absl::StrCat("zero_optimization.stage 3 does not go with "
                           "autotp_size ",
                           tensor_parallel_size, "; stages 0, 1 and 2 do")
            : "zero_optimization.stage is 3; 0, 1 and 2 are supported",
        "use stage 2, and a larger autotp_size where the weights of one rank "
        "do not fit");
  } else {
    zero.stage = static_cast<int>(stage);
  }
  zero.reduce_bucket_elements = section.Integer("reduce_bucket_size", 1)
                                    .value_or(zero.reduce_bucket_elements);
  zero.allgather_bucket_elements =
      section.Integer("allgather_bucket_size", 1)
          .value_or(zero.allgather_bucket_elements);
  return zero;
}

}  // namespace autotp::config
