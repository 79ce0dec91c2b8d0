// BLOOM: ALiBi instead of positions, a norm behind the embedding, q, k and v of
// each head in one weight, a tied head; the residual may be the normed input.
#include <utility>

#include "coordinator/model/huggingface/alibi.h"
#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildBloom(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input,
                       {.keys = {.hidden = "n_embed",
                                 .intermediate = "",
                                 .layers = "n_layer",
                                 .heads = "n_head",
                                 .key_value_heads = "",
                                 .norm_eps = "layer_norm_epsilon",
                                 .activation = ""},
                        .vocabulary = 250880,
                        .hidden = 64,
                        .intermediate = 0,
                        .layers = 2,
                        .heads = 8,
                        .norm = NormKind::kLayer,
                        .norm_eps = 1e-5,
                        .activation = "gelu_tanh",
                        .tied = true,
                        .pads = false,
                        .has_rotary = false,
                        .residual_dropout = {"hidden_dropout"}},
                       warnings);
  const bool normed_residual =
      config.Flag("apply_residual_connection_post_layernorm", false);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("bloom", sizes,
            {.base = "transformer",
             .embedding = "word_embeddings",
             .layers = "h",
             .norm = "ln_f"});
  program::Builder& b = d.builder();
  ValueId x = d.Embed();
  ValueId alibi = program::kNoValue;
  {
    const auto base = d.EnterBase();
    x = d.Norm("word_embeddings_layernorm", x);
    alibi = b.AlibiTable(
        {.slopes = AlibiSlopes(sizes.heads), .length = input.tokens});
  }
  const auto attention = [&](ValueId y) {
    const auto scope = b.Enter("self_attention");
    const ValueId qkv =
        d.Linear("query_key_value", y, d.FusedWidth(), /*bias=*/true);
    const ValueId z =
        d.Attend(d.FromGroups(qkv), {.rotary = false, .bias = alibi});
    return d.Drop(d.Linear("dense", z, sizes.hidden, /*bias=*/true));
  };
  const auto mlp = [&](ValueId y) {
    const auto scope = b.Enter("mlp");
    return d.Drop(d.Mlp(y, "dense_h_to_4h", "dense_4h_to_h", /*bias=*/true));
  };
  x = d.Layers(x, [&](int64_t, ValueId h) {
    ValueId y = d.Norm("input_layernorm", h);
    h = b.Add(normed_residual ? y : h, attention(y));
    y = d.Norm("post_attention_layernorm", h);
    return b.Add(normed_residual ? y : h, mlp(y));
  });
  return std::move(d).Finish(d.Loss(x));
}

}  // namespace autotp::model
