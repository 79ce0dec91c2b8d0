// Qwen2 and 2.5: Llama with biases on q, k and v only; the layers from
// max_window_layers on may have a window.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

absl::StatusOr<FamilyProgram> BuildQwen2(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  FamilyProgram built;
  built.sizes = ReadDecoderSizes(config, input,
                                 {.vocabulary = 151936,
                                  .intermediate = 22016,
                                  .key_value_heads = 32,
                                  .positions = 32768},
                                 warnings);
  const std::vector<int64_t> windows =
      ReadLayerWindows(config, built.sizes.layers);
  AUTOTP_RETURN_IF_ERROR(config.status());

  const auto layer = [&windows](int64_t i) {
    return LayerOptions{
        .attention = {.qkv_bias = true,
                      .window = windows[static_cast<size_t>(i)]}};
  };
  AUTOTP_ASSIGN_OR_RETURN(built.program,
                          BuildPreNormDecoder("qwen2", built.sizes, layer));
  return built;
}

}  // namespace autotp::model
