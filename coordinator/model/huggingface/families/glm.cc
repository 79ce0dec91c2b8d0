// GLM-4 (9B, native): Llama with biases on q, k and v, half of each head turned
// in pairs of neighbours, and gate and up in one weight.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/families/glm.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildGlm(ConfigReader& config,
                                       const InputShape& input,
                                       std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input, GlmDefaults(), warnings);
  const bool bias = config.Flag("attention_bias", true);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("glm", sizes);
  program::Builder& b = d.builder();
  const AttentionOptions attention = {.qkv_bias = bias,
                                      .attend = {.interleaved = true}};
  return std::move(d).Build([&](int64_t, ValueId x) {
    const ValueId y =
        d.Attention("self_attn", d.Norm("input_layernorm", x), attention);
    x = b.Add(x, y);
    return b.Add(x,
                 d.FusedGatedMlp("mlp", d.Norm("post_attention_layernorm", x)));
  });
}

}  // namespace autotp::model
