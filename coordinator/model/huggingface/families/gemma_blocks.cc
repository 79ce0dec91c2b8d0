#include <cmath>

#include "coordinator/model/huggingface/families/gemma.h"

namespace autotp::model {

using program::ValueId;

DecoderDefaults Gemma2Defaults() {
  return {.keys = {.activation = "hidden_activation"},
          .hidden = 2304,
          .intermediate = 9216,
          .layers = 26,
          .heads = 8,
          .key_value_heads = 4,
          .head_width = 256,
          .positions = 8192,
          .norm = NormKind::kRmsPlusOne,
          .activation = "gelu_pytorch_tanh",
          .tied = true,
          .padding_idx = 0};
}

double ReadScoreScale(ConfigReader& config) {
  const double scalar = config.Number("query_pre_attn_scalar", 256);
  if (scalar > 0) return 1 / std::sqrt(scalar);
  config.Fail("query_pre_attn_scalar", "has to be positive");
  return 1;
}

double ReadCap(ConfigReader& config, absl::string_view key, double fallback) {
  if (config.IsNull(key)) return 0;
  const double cap = config.Number(key, fallback);
  if (cap < 0) config.Fail(key, "has to be positive, or null");
  return cap;
}

void RefuseBidirectional(ConfigReader& config) {
  if (!config.Flag("use_bidirectional_attention", false)) return;
  config.Fail("use_bidirectional_attention",
              "makes an encoder, here models predict the next token",
              "set it to false");
}

ValueId ScaledEmbedding(Decoder& decoder) {
  const double root = std::sqrt(static_cast<double>(decoder.sizes().hidden));
  return decoder.builder().Scale(decoder.Embed(), root, /*rounded=*/true);
}

ValueId SandwichBlock(Decoder& decoder, ValueId x,
                      const AttentionOptions& attention) {
  program::Builder& b = decoder.builder();
  ValueId y = decoder.Norm("input_layernorm", x);
  y = decoder.Attention("self_attn", y, attention);
  x = b.Add(x, decoder.Norm("post_attention_layernorm", y));
  y = decoder.Norm("pre_feedforward_layernorm", x);
  y = decoder.GatedMlp("mlp", y, /*bias=*/false);
  return b.Add(x, decoder.Norm("post_feedforward_layernorm", y));
}

}  // namespace autotp::model
