// Qwen3 (dense): q and k are normed per head before the rotation; biases are
// optional, head_dim is a key of its own, windows as in Qwen2.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

absl::StatusOr<FamilyProgram> BuildQwen3(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(config, input,
                                              {.vocabulary = 151936,
                                               .intermediate = 22016,
                                               .key_value_heads = 32,
                                               .head_width = 128,
                                               .positions = 32768},
                                              warnings);
  const bool bias = config.Flag("attention_bias", false);
  const std::vector<int64_t> windows = ReadLayerWindows(config, sizes.layers);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("qwen3", sizes);
  AttentionOptions attention = {
      .qkv_bias = bias, .out_bias = bias, .qk_norm = true};
  return std::move(d).Build([&](int64_t layer, program::ValueId x) {
    attention.attend.window = windows[static_cast<size_t>(layer)];
    return d.PreNormBlock(x, attention, /*mlp_bias=*/false);
  });
}

}  // namespace autotp::model
