// OLMo 1: Llama with layer norms that have no parameters, and a clamp on q, k
// and v that some models use.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildOlmo(ConfigReader& config,
                                        const InputShape& input,
                                        std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(config, input,
                                              {.keys = {.norm_eps = ""},
                                               .vocabulary = 50304,
                                               .norm = NormKind::kLayerPlain,
                                               .norm_eps = 1e-5,
                                               .padding_idx = 1},
                                              warnings);
  const bool bias = config.Flag("attention_bias", false);
  const double clip = config.Number("clip_qkv", 0);
  if (clip < 0) config.Fail("clip_qkv", "has to be positive");
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("olmo", sizes);
  program::Builder& b = d.builder();
  const auto attention = [&](ValueId x) {
    const auto scope = b.Enter("self_attn");
    const auto project = [&](absl::string_view module, int64_t count) {
      const ValueId y = d.Linear(module, x, count * sizes.head_width, bias);
      return clip > 0 ? b.Clamp(y, clip) : y;
    };
    const ValueId q = project("q_proj", sizes.heads);
    const ValueId k = project("k_proj", sizes.key_value_heads);
    const Heads heads =
        d.ToHeads(q, k, project("v_proj", sizes.key_value_heads));
    return d.Linear("o_proj", d.Attend(heads, {}), sizes.hidden, bias);
  };
  return std::move(d).Build([&](int64_t, ValueId x) {
    x = b.Add(x, attention(d.Norm("input_layernorm", x)));
    return b.Add(x, d.GatedMlp("mlp", d.Norm("post_attention_layernorm", x),
                               /*bias=*/false));
  });
}

}  // namespace autotp::model
