// GLM-4-0414: GLM with a second norm behind attention and behind the MLP.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/families/glm.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildGlm4(ConfigReader& config,
                                        const InputShape& input,
                                        std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input, GlmDefaults(), warnings);
  const bool bias = config.Flag("attention_bias", true);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("glm4", sizes);
  program::Builder& b = d.builder();
  const AttentionOptions attention = {.qkv_bias = bias,
                                      .attend = {.interleaved = true}};
  return std::move(d).Build([&](int64_t, ValueId x) {
    ValueId y =
        d.Attention("self_attn", d.Norm("input_layernorm", x), attention);
    x = b.Add(x, d.Norm("post_self_attn_layernorm", y));
    y = d.FusedGatedMlp("mlp", d.Norm("post_attention_layernorm", x));
    return b.Add(x, d.Norm("post_mlp_layernorm", y));
  });
}

}  // namespace autotp::model
