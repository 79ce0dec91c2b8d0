// Falcon, in its three layouts of q, k and v: one key and value head for all
// (7B), groups (40B, 180B, Falcon 2), a head each (RW, with ALiBi). Attention
// and MLP stand beside each other, with one norm or two, or one behind the
// other. Dropout as in Transformers: of the attention with ALiBi only; of what
// the attention adds, where the MLP is behind it, with attention_dropout. The
// ALiBi bias is added once, as by Transformers' sdpa, the default; its eager
// attention adds it twice (5.24), with the mask and by itself.
#include <cmath>
#include <utility>

#include "coordinator/model/huggingface/alibi.h"
#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildFalcon(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const bool groups = config.Flag("new_decoder_architecture", false);
  const bool one_group = !groups && config.Flag("multi_query", true);
  const bool parallel = groups || config.Flag("parallel_attn", true);
  const bool alibi = config.Flag("alibi", false);
  const bool bias = config.Flag("bias", false);
  const bool two_norms =
      groups && config.Size("num_ln_in_parallel_attn", 2) == 2;
  DecoderSizes sizes = ReadDecoderSizes(
      config, input,
      {.keys = {.hidden = "n_embed",
                .intermediate = "ffn_hidden_size",
                .key_value_heads = groups ? "num_kv_heads" : "",
                .norm_eps = "layer_norm_epsilon",
                .activation = "activation"},
       .vocabulary = 65024,
       .hidden = 4544,
       .intermediate = 0,
       .heads = 71,
       .norm = NormKind::kLayer,
       .norm_eps = 1e-5,
       .activation = "gelu",
       .tied = true,
       .pads = false,
       .has_rotary = !alibi,
       .residual_dropout = {"hidden_dropout"}},
      warnings);
  if (one_group) sizes.key_value_heads = 1;
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("falcon", sizes,
            {.base = "transformer",
             .embedding = "word_embeddings",
             .layers = "h",
             .norm = "ln_f"});
  program::Builder& b = d.builder();
  ValueId x = d.Embed();
  AttendOptions attend = {.rotary = !alibi, .dropout = alibi};
  if (alibi) {
    // The bias is rounded, and scaled as the scores are.
    const auto base = d.EnterBase();
    attend.bias = b.AlibiTable(
        {.slopes = AlibiSlopes(sizes.heads),
         .length = input.tokens,
         .scale = 1 / std::sqrt(static_cast<double>(sizes.head_width)),
         .rounded = true});
  }
  const auto attention = [&](ValueId y) {
    const auto scope = b.Enter("self_attention");
    const ValueId qkv = d.Linear("query_key_value", y, d.FusedWidth(), bias);
    const Heads heads = one_group ? d.FromBlocks(qkv) : d.FromGroups(qkv);
    return d.Linear("dense", d.Attend(heads, attend), sizes.hidden, bias);
  };
  const auto mlp = [&](ValueId y) {
    const auto scope = b.Enter("mlp");
    return d.Mlp(y, "dense_h_to_4h", "dense_4h_to_h", bias);
  };
  x = d.Layers(x, [&](int64_t, ValueId h) {
    const ValueId y = d.Norm(two_norms ? "ln_attn" : "input_layernorm", h);
    if (!parallel) {
      h = b.Add(h, b.Dropout(attention(y), sizes.attention_dropout));
      return b.Add(h, d.Drop(mlp(d.Norm("post_attention_layernorm", h))));
    }
    const ValueId z = two_norms ? d.Norm("ln_mlp", h) : y;
    const ValueId attended = attention(y);
    return b.Add(h, d.Drop(b.Add(attended, mlp(z))));
  });
  return std::move(d).Finish(d.Loss(x));
}

}  // namespace autotp::model
