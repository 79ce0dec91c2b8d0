// Gemma 2: Gemma with a norm before and one behind each branch, every other
// layer with a window, and soft caps on scores and logits.
#include <utility>
#include <vector>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/families/gemma.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildGemma2(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  DecoderDefaults defaults = Gemma2Defaults();
  defaults.vocabulary = 256000;
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input, defaults, warnings);
  const std::vector<int64_t> windows =
      ReadPatternWindows(config, sizes.layers, 4096, 2);
  const bool bias = config.Flag("attention_bias", false);
  const double scale = ReadScoreScale(config);
  const double cap = ReadCap(config, "attn_logit_softcapping", 50);
  const double final_cap = ReadCap(config, "final_logit_softcapping", 30);
  RefuseBidirectional(config);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("gemma2", sizes);
  const ValueId x = d.Layers(ScaledEmbedding(d), [&](int64_t layer, ValueId h) {
    return SandwichBlock(
        d, h,
        {.qkv_bias = bias,
         .out_bias = bias,
         .attend = {.scale = scale,
                    .window = windows[static_cast<size_t>(layer)],
                    .soft_cap = cap}});
  });
  return std::move(d).Finish(d.Loss(x, {.soft_cap = final_cap}));
}

}  // namespace autotp::model
