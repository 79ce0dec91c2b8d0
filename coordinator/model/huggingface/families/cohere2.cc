// Command R7B: Command R where three of four layers have a window and turn
// their heads, and the fourth has neither.
#include <utility>
#include <vector>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildCohere2(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input,
                       {.keys = {.norm_eps = "layer_norm_eps"},
                        .vocabulary = 256000,
                        .hidden = 8192,
                        .intermediate = 22528,
                        .layers = 40,
                        .heads = 64,
                        .positions = 8192,
                        .norm = NormKind::kLayerNoBias,
                        .norm_eps = 1e-5,
                        .tied = true,
                        .padding_idx = 0},
                       warnings);
  const std::vector<int64_t> windows =
      ReadPatternWindows(config, sizes.layers, 4096, 4);
  const bool bias = config.Flag("attention_bias", false);
  const double logits = config.Number("logit_scale", 0.0625);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("cohere2", sizes);
  program::Builder& b = d.builder();
  const ValueId x = d.Layers(d.Embed(), [&](int64_t layer, ValueId h) {
    const int64_t window = windows[static_cast<size_t>(layer)];
    const ValueId y = d.Norm("input_layernorm", h);
    const ValueId attended = d.Attention(
        "self_attn", y,
        {.qkv_bias = bias,
         .out_bias = bias,
         .attend = {
             .rotary = window > 0, .interleaved = true, .window = window}});
    return b.Add(h, b.Add(attended, d.GatedMlp("mlp", y, /*bias=*/false)));
  });
  return std::move(d).Finish(d.Loss(x, {.scale = logits}));
}

}  // namespace autotp::model
