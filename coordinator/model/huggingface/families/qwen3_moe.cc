// Qwen3 with experts: Qwen3's attention; some layers may keep a dense MLP, and
// a window, if there is one, is for all layers.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "coordinator/model/huggingface/mixture.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

absl::StatusOr<FamilyProgram> BuildQwen3Moe(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(config, input,
                                              {.vocabulary = 151936,
                                               .hidden = 2048,
                                               .intermediate = 6144,
                                               .layers = 24,
                                               .key_value_heads = 4,
                                               .positions = 32768},
                                              warnings);
  const MixtureConfig experts =
      ReadMixture(config, {.experts = 128, .top_k = 8, .inner = 768});
  const std::vector<bool> sparse = ReadSparseLayers(config, sizes.layers);
  const bool bias = config.Flag("attention_bias", false);
  const bool windowed = config.Flag("use_sliding_window", false);
  const int64_t window = windowed ? ReadWindow(config, 4096) : 0;
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("qwen3_moe", sizes);
  program::Builder& b = d.builder();
  Mixture mixture(experts, sizes);
  const AttentionOptions attention = {.qkv_bias = bias,
                                      .out_bias = bias,
                                      .qk_norm = true,
                                      .attend = {.window = window}};
  const program::ValueId last =
      d.Layers(d.Embed(), [&](int64_t layer, program::ValueId x) {
        program::ValueId y = d.Norm("input_layernorm", x);
        x = b.Add(x, d.Attention("self_attn", y, attention));
        y = d.Norm("post_attention_layernorm", x);
        if (experts.experts == 0 || !sparse[static_cast<size_t>(layer)])
          return b.Add(x, d.GatedMlp("mlp", y, /*bias=*/false));
        const auto scope = b.Enter("mlp");
        return b.Add(x, mixture.Layer(b, y));
      });
  return std::move(d).Finish(mixture.AddBalance(b, d.Loss(last)));
}

}  // namespace autotp::model
