#include "coordinator/model/huggingface/decoder.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace autotp::model {

using program::ValueId;

Decoder::Decoder(std::string name, const DecoderSizes& sizes)
    : sizes_(sizes),
      builder_(std::move(name), sizes.input.batch, sizes.input.tokens) {}

ValueId Decoder::Embed() {
  const ValueId x =
      builder_.Embedding("embed_tokens", builder_.input_ids(),
                         {.rows = sizes_.vocabulary,
                          .width = sizes_.hidden,
                          .padding_idx = sizes_.padding_idx,
                          .standard_deviation = sizes_.standard_deviation});
  const auto scope = builder_.Enter("rotary_emb");
  tables_ =
      builder_.RotaryTable(InverseFrequencies(sizes_.rotary, sizes_.head_width),
                           sizes_.input.tokens);
  return x;
}

ValueId Decoder::Norm(absl::string_view module, ValueId x) {
  return builder_.RmsNorm(module, x, sizes_.norm_eps);
}

ValueId Decoder::Heads(ValueId x, int64_t count) {
  return builder_.Reshape(
      x, {sizes_.input.batch, sizes_.input.tokens, count, sizes_.head_width});
}

ValueId Decoder::Attention(absl::string_view module, ValueId x,
                           const AttentionOptions& options) {
  const auto scope = builder_.Enter(module);
  const int64_t width = sizes_.head_width;
  const auto project = [&](absl::string_view name, int64_t heads) {
    const ValueId y =
        builder_.Linear(name, x,
                        {.out = heads * width,
                         .bias = options.qkv_bias,
                         .standard_deviation = sizes_.standard_deviation});
    return Heads(y, heads);
  };
  ValueId q = project("q_proj", sizes_.heads);
  ValueId k = project("k_proj", sizes_.key_value_heads);
  ValueId v = project("v_proj", sizes_.key_value_heads);
  if (options.qk_norm) {
    q = Norm("q_norm", q);
    k = Norm("k_norm", k);
  }
  q = builder_.Rotary(builder_.Transpose(q, 1, 2), tables_);
  k = builder_.Rotary(builder_.Transpose(k, 1, 2), tables_);
  v = builder_.Transpose(v, 1, 2);
  // A window that holds the whole sequence hides nothing.
  const int64_t window =
      options.window < sizes_.input.tokens ? options.window : 0;
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  ValueId y = builder_.Attention(q, k, v, scale, window);
  y = builder_.Reshape(
      builder_.Transpose(y, 1, 2),
      {sizes_.input.batch, sizes_.input.tokens, sizes_.heads * width});
  return builder_.Linear("o_proj", y,
                         {.out = sizes_.hidden,
                          .bias = options.out_bias,
                          .standard_deviation = sizes_.standard_deviation});
}

ValueId Decoder::GatedMlp(absl::string_view module, ValueId x, bool bias) {
  const auto scope = builder_.Enter(module);
  const auto linear = [&](absl::string_view name, ValueId in, int64_t out) {
    return builder_.Linear(name, in,
                           {.out = out,
                            .bias = bias,
                            .standard_deviation = sizes_.standard_deviation});
  };
  const ValueId gate = linear("gate_proj", x, sizes_.intermediate);
  const ValueId up = linear("up_proj", x, sizes_.intermediate);
  return linear("down_proj",
                builder_.GatedActivation(gate, up, sizes_.activation),
                sizes_.hidden);
}

absl::StatusOr<program::Program> Decoder::Finish(ValueId x) && {
  program::LinearOptions head = {
      .out = sizes_.vocabulary,
      .standard_deviation = sizes_.standard_deviation};
  if (sizes_.tied) head.tied_to = "model.embed_tokens.weight";
  const ValueId logits = builder_.Linear("lm_head", x, head);
  const ValueId loss = builder_.CrossEntropy(logits, builder_.labels());
  return std::move(builder_).Finish(loss);
}

absl::StatusOr<program::Program> BuildPreNormDecoder(
    std::string name, const DecoderSizes& sizes,
    const std::function<LayerOptions(int64_t layer)>& options) {
  Decoder decoder(std::move(name), sizes);
  program::Builder& b = decoder.builder();
  ValueId x = program::kNoValue;
  {
    const auto model = b.Enter("model");
    x = decoder.Embed();
    for (int64_t layer = 0; layer < sizes.layers; ++layer) {
      const auto scope = b.Enter(absl::StrCat("layers.", layer));
      const LayerOptions of = options(layer);
      ValueId y = decoder.Norm("input_layernorm", x);
      x = b.Add(x, decoder.Attention("self_attn", y, of.attention));
      y = decoder.Norm("post_attention_layernorm", x);
      x = b.Add(x, decoder.GatedMlp("mlp", y, of.mlp_bias));
    }
    x = decoder.Norm("norm", x);
  }
  return std::move(decoder).Finish(x);
}

}  // namespace autotp::model
