// Qwen2 with experts: Qwen2's attention; beside the experts a shared one for
// all tokens, which each token opens by a gate of its own.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "coordinator/model/huggingface/mixture.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

// Without "layer_types" every second layer below max_window_layers.
std::vector<int64_t> ReadWindows(ConfigReader& config, int64_t layers) {
  if (config.Has("layer_types")) return ReadLayerWindows(config, layers);
  std::vector<int64_t> windows(static_cast<size_t>(layers), 0);
  if (!config.Flag("use_sliding_window", false)) return windows;
  const int64_t window = ReadWindow(config, 4096);
  const int64_t most = config.Integer("max_window_layers").value_or(28);
  for (int64_t i = 0; i < layers && i < most; i += 2)
    windows[static_cast<size_t>(i)] = window;
  return windows;
}

}  // namespace

absl::StatusOr<FamilyProgram> BuildQwen2Moe(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(config, input,
                                              {.vocabulary = 151936,
                                               .hidden = 2048,
                                               .intermediate = 5632,
                                               .layers = 24,
                                               .heads = 16,
                                               .key_value_heads = 16,
                                               .positions = 32768},
                                              warnings);
  const MixtureConfig experts =
      ReadMixture(config, {.experts = 60, .top_k = 4, .inner = 1408});
  const int64_t shared =
      config.Size("shared_expert_intermediate_size", 5632, kLargestWidth);
  const std::vector<bool> sparse = ReadSparseLayers(config, sizes.layers);
  const bool bias = config.Flag("qkv_bias", true);
  const std::vector<int64_t> windows = ReadWindows(config, sizes.layers);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("qwen2_moe", sizes);
  program::Builder& b = d.builder();
  Mixture mixture(experts, sizes);
  AttentionOptions attention = {.qkv_bias = bias};
  const auto mixed = [&](program::ValueId y) {
    const auto scope = b.Enter("mlp");
    const program::ValueId open = b.Activation(
        d.Linear("shared_expert_gate", y, 1, /*bias=*/false), "sigmoid");
    return b.Add(mixture.Layer(b, y),
                 b.Mul(d.GatedMlp("shared_expert", y, false, shared), open));
  };
  const program::ValueId last =
      d.Layers(d.Embed(), [&](int64_t layer, program::ValueId x) {
        const auto index = static_cast<size_t>(layer);
        attention.attend.window = windows[index];
        program::ValueId y = d.Norm("input_layernorm", x);
        x = b.Add(x, d.Attention("self_attn", y, attention));
        y = d.Norm("post_attention_layernorm", x);
        if (experts.experts == 0 || !sparse[index])
          return b.Add(x, d.GatedMlp("mlp", y, /*bias=*/false));
        return b.Add(x, mixed(y));
      });
  return std::move(d).Finish(mixture.AddBalance(b, d.Loss(last)));
}

}  // namespace autotp::model
