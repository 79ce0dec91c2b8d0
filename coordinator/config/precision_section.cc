// precision_section.cc -- `bf16` (or `bfloat16`), `fp16`, `data_types` and
// `communication_data_type`.
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/sections.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kDataTypeNames =
    "fp32|float32|float|fp16|float16|half|bf16|bfloat16";
// 2^127 is the largest power of two that fp32 holds.
constexpr int64_t kMostScalePower = 127;

v1::DataType ReadType(const SectionReader& section, absl::string_view key,
                      v1::DataType where_absent) {
  const std::string name = section.Choice(key, kDataTypeNames).value_or("");
  if (name.empty()) return where_absent;
  if (absl::StrContains(name, "bf")) return v1::DATA_TYPE_BFLOAT16;
  const bool half = absl::StrContains(name, "16") || name == "half";
  return half ? v1::DATA_TYPE_FLOAT16 : v1::DATA_TYPE_FLOAT32;
}

void NoteUnusedScalerKeys(const SectionReader& fp16, double scale) {
  for (const absl::string_view key :
       {"initial_scale_power", "loss_scale_window", "hysteresis",
        "consecutive_hysteresis", "min_loss_scale"}) {
    if (fp16.Find(key) == nullptr) continue;
    fp16.diagnostics()->Note(
        fp16.PlaceOf(key), "KEY_WITHOUT_EFFECT",
        absl::StrCat(key, " has no effect here: loss_scale ", scale,
                     " is fixed"),
        "write \"loss_scale\": 0 for a scale that adapts");
  }
}

v1::LossScaling ReadLossScaling(const SectionReader& fp16) {
  v1::LossScaling scaling;
  const double scale = fp16.Number("loss_scale", 0).value_or(0);
  scaling.set_dynamic(scale == 0);
  if (!scaling.dynamic()) {
    scaling.set_initial(scale);
    NoteUnusedScalerKeys(fp16, scale);
    return scaling;
  }
  const int64_t power =
      fp16.Integer("initial_scale_power", 0, kMostScalePower).value_or(16);
  scaling.set_initial(std::exp2(static_cast<double>(power)));
  scaling.set_window(fp16.Integer("loss_scale_window", 1).value_or(1000));
  scaling.set_hysteresis(static_cast<int32_t>(
      fp16.Integer("hysteresis", 1, std::numeric_limits<int32_t>::max())
          .value_or(2)));
  scaling.set_consecutive_hysteresis(
      fp16.Boolean("consecutive_hysteresis").value_or(false));
  scaling.set_minimum(
      static_cast<double>(fp16.Integer("min_loss_scale", 1).value_or(1)));
  return scaling;
}

void ReadComputeType(const JsonDocument& document, Diagnostics* diagnostics,
                     v1::TrainingConfig* training) {
  training->set_compute_dtype(v1::DATA_TYPE_FLOAT32);
  training->set_master_dtype(v1::DATA_TYPE_FLOAT32);
  training->set_state_dtype(v1::DATA_TYPE_FLOAT32);
  const JsonNode* bf16 = document.root().Find("bf16");
  const JsonNode* bfloat16 = document.root().Find("bfloat16");
  if (bf16 != nullptr && bfloat16 != nullptr) {
    diagnostics->Error(document.PlaceOf(*bfloat16), "DUPLICATE_SECTION",
                       "bf16 and bfloat16 are two names of one section",
                       "keep \"bf16\"");
    return;
  }
  const SectionReader half(document, document.root().Find("fp16"), diagnostics);
  const SectionReader brain(document, bf16 ? bf16 : bfloat16, diagnostics);
  if (half.Boolean("enabled").value_or(false)) {
    training->set_compute_dtype(v1::DATA_TYPE_FLOAT16);
    *training->mutable_loss_scaling() = ReadLossScaling(half);
    training->set_skip_non_finite(true);
    if (half.Boolean("fp16_master_weights_and_grads").value_or(false))
      training->set_master_dtype(v1::DATA_TYPE_FLOAT16);
  } else if (brain.Boolean("enabled").value_or(false)) {
    training->set_compute_dtype(v1::DATA_TYPE_BFLOAT16);
    training->set_skip_non_finite(
        brain.Boolean("check_grad_overflow").value_or(true));
    if (brain.Boolean("bf16_master_weights_and_grads").value_or(false))
      training->set_master_dtype(v1::DATA_TYPE_BFLOAT16);
    if (brain.Boolean("bf16_optimizer_states").value_or(false))
      training->set_state_dtype(v1::DATA_TYPE_BFLOAT16);
  }
}

}  // namespace

void ReadPrecision(const JsonDocument& document, Diagnostics* diagnostics,
                   v1::TrainingConfig* training) {
  ReadComputeType(document, diagnostics, training);
  const SectionReader top(document, &document.root(), diagnostics);
  const SectionReader types(document, document.root().Find("data_types"),
                            diagnostics);
  // 16-bit masters come with gradients of their type.
  training->set_gradient_dtype(
      ReadType(types, "grad_accum_dtype", training->master_dtype()));
  training->set_communication_dtype(
      ReadType(top, "communication_data_type", v1::DATA_TYPE_FLOAT32));
}

}  // namespace autotp::config
