// OLMo 2: the norms stand behind attention and MLP, and q and k are normed over
// all heads at once, before they are split.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildOlmo2(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(
      config, input, {.vocabulary = 50304, .norm_eps = 1e-5, .padding_idx = 1},
      warnings);
  const bool bias = config.Flag("attention_bias", false);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("olmo2", sizes);
  program::Builder& b = d.builder();
  const int64_t groups = sizes.key_value_heads * sizes.head_width;
  const auto attention = [&](ValueId x) {
    const auto scope = b.Enter("self_attn");
    const ValueId q =
        d.Linear("q_proj", x, sizes.heads * sizes.head_width, bias);
    const ValueId k = d.Linear("k_proj", x, groups, bias);
    const ValueId v = d.Linear("v_proj", x, groups, bias);
    const ValueId q_normed = d.Norm("q_norm", q);
    const Heads heads = d.ToHeads(q_normed, d.Norm("k_norm", k), v);
    return d.Linear("o_proj", d.Attend(heads, {}), sizes.hidden, bias);
  };
  return std::move(d).Build([&](int64_t, ValueId x) {
    x = b.Add(x, d.Norm("post_attention_layernorm", attention(x)));
    return b.Add(x, d.Norm("post_feedforward_layernorm",
                           d.GatedMlp("mlp", x, /*bias=*/false)));
  });
}

}  // namespace autotp::model
