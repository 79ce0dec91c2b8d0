#include "coordinator/config/combination_checks.h"

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/written_default.h"

namespace autotp::config {
namespace {

class Combinations {
 public:
  Combinations(const JsonDocument& document, int zero_stage,
               Diagnostics* diagnostics)
      : document_(document),
        zero_stage_(zero_stage),
        diagnostics_(diagnostics),
        top_(document, &document.root(), diagnostics) {}

  void CheckAll() {
    CheckPrecisions();
    CheckParameterType();
    CheckGradientScaling();
    CheckTestedOptimizer();
  }

 private:
  // The value at `section`/`key`; null where either is missing.
  const JsonNode* Find(absl::string_view section, absl::string_view key) const {
    const JsonNode* node = document_.root().Find(section);
    return node == nullptr ? nullptr : node->Find(key);
  }

  bool IsOn(absl::string_view section) const {
    const JsonNode* enabled = Find(section, "enabled");
    return enabled != nullptr && IsEnabled(*enabled);
  }

  void CheckPrecisions() {
    if (!IsOn("fp16")) return;
    for (const absl::string_view other : {"bf16", "bfloat16"}) {
      if (!IsOn(other)) continue;
      diagnostics_->Error(
          document_.PlaceOf(*Find("fp16", "enabled")), "FP16_WITH_BF16",
          absl::StrCat("fp16 and ", other,
                       " are both enabled; one of them is allowed"),
          "set \"enabled\" of fp16 to false");
    }
  }

  void CheckParameterType() {
    const JsonNode* type = Find("data_types", "param_dtype");
    if (type == nullptr || !type->is_string() || type->text == "auto" ||
        diagnostics_->Has(document_.PlaceOf(*type), "UNKNOWN_VALUE")) {
      return;
    }
    const std::string computed = IsOn("fp16")                       ? "fp16"
                                 : IsOn("bf16") || IsOn("bfloat16") ? "bf16"
                                                                    : "fp32";
    const std::string named =
        absl::StrContains(type->text, "bf")                           ? "bf16"
        : absl::StrContains(type->text, "16") || type->text == "half" ? "fp16"
                                                                      : "fp32";
    if (named == computed) return;
    diagnostics_->Error(
        document_.PlaceOf(*type), "PARAM_DTYPE_CONFLICT",
        absl::StrCat("param_dtype is \"", type->text,
                     "\", but the bf16 and fp16 sections say ", computed),
        named == "fp32" ? "take param_dtype out"
                        : absl::StrCat("write \"", named,
                                       "\": {\"enabled\": true}, or take "
                                       "param_dtype out"));
  }

  // DeepSpeed's sharded gradients are averaged after the exchange only.
  void CheckGradientScaling() {
    const JsonNode* scatter = Find("zero_optimization", "reduce_scatter");
    if (zero_stage_ < 2 || (scatter != nullptr && !IsEnabled(*scatter))) return;
    const std::string stage =
        absl::StrCat("zero_optimization.stage ", zero_stage_);
    if (const JsonNode* prescale = document_.root().Find("prescale_gradients");
        prescale != nullptr && IsEnabled(*prescale)) {
      diagnostics_->Error(
          document_.PlaceOf(*prescale), "PRESCALE_WITH_ZERO",
          absl::StrCat("prescale_gradients does not go with ", stage,
                       "; stages 0 and 1 allow it"),
          "take prescale_gradients out: it changes rounding only");
    }
    const std::optional<double> factor =
        top_.Number("gradient_predivide_factor", -1e300);
    if (factor.has_value() && *factor != 1.0) {
      diagnostics_->Error(
          top_.PlaceOf("gradient_predivide_factor"), "PRESCALE_WITH_ZERO",
          absl::StrCat("gradient_predivide_factor ", *factor,
                       " does not go with ", stage, "; 1.0 is allowed"),
          "take gradient_predivide_factor out: it changes rounding only");
    }
  }

  void CheckTestedOptimizer() {
    const JsonNode* type = Find("optimizer", "type");
    const JsonNode* allow =
        document_.root().Find("zero_allow_untested_optimizer");
    if (zero_stage_ == 0 || type == nullptr || !type->is_string() ||
        (allow != nullptr && IsEnabled(*allow))) {
      return;
    }
    // Of a type that is not honoured its reader speaks.
    const KeyEntry* row = FindTypeValue("optimizer.type", type->text);
    if (row == nullptr || row->effect != KeyEffect::kHonoured) return;
    for (const absl::string_view tested :
         {"Adam", "AdamW", "Adagrad", "Lion", "Muon"}) {
      if (row->key == tested) return;
    }
    diagnostics_->Error(
        document_.PlaceOf(*type), "OPTIMIZER_UNTESTED_WITH_ZERO",
        absl::StrCat("optimizer \"", type->text,
                     "\" with zero_optimization.stage ", zero_stage_,
                     " is outside DeepSpeed's list: Adam, AdamW, Adagrad, "
                     "Lion, Muon"),
        "add \"zero_allow_untested_optimizer\": true, or use stage 0");
  }

  const JsonDocument& document_;
  const int zero_stage_;
  Diagnostics* diagnostics_;
  const SectionReader top_;
};

}  // namespace

void CheckCombinations(const JsonDocument& document, int zero_stage,
                       Diagnostics* diagnostics) {
  Combinations(document, zero_stage, diagnostics).CheckAll();
}

}  // namespace autotp::config
