// StarCoder2: Llama with layer norms, biases everywhere, a GELU MLP without a
// gate, and one window for all layers.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildStarcoder2(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input,
                       {.keys = {.norm_eps = "norm_epsilon"},
                        .vocabulary = 49152,
                        .hidden = 3072,
                        .intermediate = 12288,
                        .layers = 30,
                        .heads = 24,
                        .key_value_heads = 2,
                        .positions = 4096,
                        .norm = NormKind::kLayer,
                        .norm_eps = 1e-5,
                        .activation = "gelu_pytorch_tanh",
                        .standard_deviation = 0.018042,
                        .tied = true,
                        .residual_dropout = {"residual_dropout"},
                        .embedding_dropout = {"embedding_dropout"}},
                       warnings);
  const bool bias = config.Flag("use_bias", true);
  const int64_t window = ReadWindow(config, 0);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("starcoder2", sizes);
  program::Builder& b = d.builder();
  const AttentionOptions attention = {
      .qkv_bias = bias, .out_bias = bias, .attend = {.window = window}};
  const auto mlp = [&](ValueId x) {
    const auto scope = b.Enter("mlp");
    return d.Drop(d.Mlp(x, "c_fc", "c_proj", bias));
  };
  return std::move(d).Build([&](int64_t, ValueId x) {
    x = b.Add(x, d.Drop(d.Attention("self_attn", d.Norm("input_layernorm", x),
                                    attention)));
    return b.Add(x, mlp(d.Norm("post_attention_layernorm", x)));
  });
}

}  // namespace autotp::model
