// GPT-NeoX and Pythia: q, k and v of each head in one weight, a quarter of each
// head turned, attention and MLP beside each other (or not), a head of its own.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildGptNeoX(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(
      config, input,
      {.keys = {.key_value_heads = "", .norm_eps = "layer_norm_eps"},
       .vocabulary = 50432,
       .hidden = 6144,
       .intermediate = 24576,
       .layers = 44,
       .heads = 64,
       .norm = NormKind::kLayer,
       .norm_eps = 1e-5,
       .activation = "gelu",
       .pads = false,
       .rotary = {.theta_key = "rotary_emb_base",
                  .share = 0.25,
                  .share_key = "rotary_pct",
                  .partial = true},
       .residual_dropout = {"hidden_dropout"},
       .embedding_dropout = {"hidden_dropout"}},
      warnings);
  const bool bias = config.Flag("attention_bias", true);
  const bool parallel = config.Flag("use_parallel_residual", true);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("gpt_neox", sizes,
            {.base = "gpt_neox",
             .embedding = "embed_in",
             .norm = "final_layer_norm",
             .head = "embed_out"});
  program::Builder& b = d.builder();
  const auto attention = [&](ValueId x) {
    const auto scope = b.Enter("attention");
    const ValueId qkv = d.Linear("query_key_value", x, d.FusedWidth(), bias);
    return d.Drop(
        d.Linear("dense", d.Attend(d.FromGroups(qkv), {}), sizes.hidden, bias));
  };
  const auto mlp = [&](ValueId x) {
    const auto scope = b.Enter("mlp");
    return d.Drop(d.Mlp(x, "dense_h_to_4h", "dense_4h_to_h", /*bias=*/true));
  };
  return std::move(d).Build([&](int64_t, ValueId x) {
    const ValueId y = attention(d.Norm("input_layernorm", x));
    if (parallel) {
      return b.Add(x, b.Add(y, mlp(d.Norm("post_attention_layernorm", x))));
    }
    x = b.Add(x, y);
    return b.Add(x, mlp(d.Norm("post_attention_layernorm", x)));
  });
}

}  // namespace autotp::model
