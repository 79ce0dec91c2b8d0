// Gemma 3 (text): Gemma 2 with norms on q and k instead of the soft cap, five
// layers with a window to one without, and rotary tables for each of the two.
#include <string>
#include <utility>
#include <vector>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/families/gemma.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

namespace {

// The full layers' rotary embeddings may be scaled; those of the layers with a
// window have a base of their own.
RotaryConfig ReadFullRotary(ConfigReader& config, const DecoderSizes& sizes) {
  const std::string section = config.IsSection("rope_scaling")
                                  ? "rope_scaling"
                                  : "rope_parameters/full_attention";
  return ReadRotarySection(config, section, {.theta = 1e6}, sizes.head_width,
                           sizes.positions);
}

RotaryConfig ReadWindowRotary(ConfigReader& config, const DecoderSizes& sizes) {
  return ReadRotarySection(config, "rope_parameters/sliding_attention",
                           {.theta_key = "rope_local_base_freq"},
                           sizes.head_width, sizes.positions);
}

}  // namespace

absl::StatusOr<FamilyProgram> BuildGemma3(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  DecoderDefaults defaults = Gemma2Defaults();
  defaults.vocabulary = 262208;
  defaults.positions = 131072;
  defaults.has_rotary = false;  // two of them, below
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input, defaults, warnings);
  const RotaryConfig full = ReadFullRotary(config, sizes);
  const RotaryConfig local = ReadWindowRotary(config, sizes);
  const std::vector<int64_t> windows =
      ReadPatternWindows(config, sizes.layers, 4096, 6);
  const bool bias = config.Flag("attention_bias", false);
  const double scale = ReadScoreScale(config);
  const double final_cap = ReadCap(config, "final_logit_softcapping", 0);
  if (config.Has("attn_logit_softcapping")) {
    config.Fail("attn_logit_softcapping",
                "has no effect in this family, its scores are not capped",
                "set it to null");
  }
  RefuseBidirectional(config);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("gemma3_text", sizes);
  ValueId x = ScaledEmbedding(d);
  const program::RotaryTables full_tables = d.Tables(full);
  const program::RotaryTables local_tables = d.Tables(local);
  x = d.Layers(x, [&](int64_t layer, ValueId h) {
    const int64_t window = windows[static_cast<size_t>(layer)];
    return SandwichBlock(
        d, h,
        {.qkv_bias = bias,
         .out_bias = bias,
         .qk_norm = true,
         .attend = {.tables = window > 0 ? local_tables : full_tables,
                    .scale = scale,
                    .window = window}});
  });
  return std::move(d).Finish(d.Loss(x, {.soft_cap = final_cap}));
}

}  // namespace autotp::model
