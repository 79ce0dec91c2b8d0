// SmolLM3: Llama with layers that turn nothing (every fourth), which may have a
// window.
#include <utility>
#include <vector>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

namespace {

// Whether a layer has rotary embeddings: "no_rope_layers" has a 1 for yes.
std::vector<bool> ReadRotaryLayers(ConfigReader& config, int64_t layers) {
  const int64_t interval = config.Size("no_rope_layer_interval", 4);
  std::vector<bool> rotary;
  for (int64_t i = 0; i < layers; ++i)
    rotary.push_back((i + 1) % interval != 0);
  if (!config.Has("no_rope_layers")) return rotary;
  const std::vector<double> given = config.Numbers("no_rope_layers");
  if (given.size() != rotary.size()) {
    config.Fail("no_rope_layers", "needs one number per layer");
    return rotary;
  }
  for (size_t i = 0; i < given.size(); ++i) rotary[i] = given[i] != 0;
  return rotary;
}

}  // namespace

absl::StatusOr<FamilyProgram> BuildSmolLm3(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(config, input,
                                              {.vocabulary = 128256,
                                               .hidden = 2048,
                                               .layers = 36,
                                               .heads = 16,
                                               .key_value_heads = 4,
                                               .positions = 32768,
                                               .tied = true,
                                               .padding_idx = 128004,
                                               .rotary = {.theta = 2e6}},
                                              warnings);
  const bool bias = config.Flag("attention_bias", false);
  const bool mlp_bias = config.Flag("mlp_bias", false);
  const std::vector<bool> rotary = ReadRotaryLayers(config, sizes.layers);
  const bool window_in_use = config.Flag("use_sliding_window", false);
  const bool typed = config.Has("layer_types");
  std::vector<int64_t> windows(rotary.size(), 0);
  if (typed && window_in_use) windows = ReadLayerWindows(config, sizes.layers);
  const int64_t window = window_in_use ? ReadWindow(config, 0) : 0;
  for (size_t i = 0; !typed && i < rotary.size(); ++i)
    if (!rotary[i]) windows[i] = window;
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("smollm3", sizes);
  return std::move(d).Build([&](int64_t layer, ValueId x) {
    const auto i = static_cast<size_t>(layer);
    return d.PreNormBlock(
        x,
        {.qkv_bias = bias,
         .out_bias = bias,
         .attend = {.rotary = rotary[i], .window = windows[i]}},
        mlp_bias);
  });
}

}  // namespace autotp::model
