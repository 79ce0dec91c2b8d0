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
    Heads heads = d.Project(x, bias);
    if (clip > 0) {
      heads = {b.Clamp(heads.q, clip), b.Clamp(heads.k, clip),
               b.Clamp(heads.v, clip)};
    }
    return d.Linear("o_proj", d.Attend(heads, {}), sizes.hidden, bias);
  };
  return std::move(d).Build([&](int64_t, ValueId x) {
    x = b.Add(x, attention(d.Norm("input_layernorm", x)));
    return b.Add(x, d.GatedMlp("mlp", d.Norm("post_attention_layernorm", x),
                               /*bias=*/false));
  });
}

}  // namespace autotp::model
