// Qwen2 and 2.5: Llama with biases on q, k and v only; the layers from
// max_window_layers on may have a window.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

absl::StatusOr<FamilyProgram> BuildQwen2(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(config, input,
                                              {.vocabulary = 151936,
                                               .intermediate = 22016,
                                               .key_value_heads = 32,
                                               .positions = 32768},
                                              warnings);
  const std::vector<int64_t> windows = ReadLayerWindows(config, sizes.layers);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("qwen2", sizes);
  return std::move(d).Build([&](int64_t layer, program::ValueId x) {
    const int64_t window = windows[static_cast<size_t>(layer)];
    return d.PreNormBlock(x, {.qkv_bias = true, .attend = {.window = window}},
                          /*mlp_bias=*/false);
  });
}

}  // namespace autotp::model
