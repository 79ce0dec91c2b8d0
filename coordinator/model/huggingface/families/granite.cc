// Granite 3: Llama with four factors: of the embeddings, of the scores (not
// 1 / sqrt(D)), of what each residual branch adds, and of the logits.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildGranite(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(config, input, {}, warnings);
  const bool attention_bias = config.Flag("attention_bias", false);
  const bool mlp_bias = config.Flag("mlp_bias", false);
  const double embedding = config.Number("embedding_multiplier", 1);
  const double residual = config.Number("residual_multiplier", 1);
  const double scores = config.Number("attention_multiplier", 1);
  const double logits = config.Number("logits_scaling", 1);
  if (logits == 0) config.Fail("logits_scaling", "must not be 0");
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("granite", sizes);
  program::Builder& b = d.builder();
  const AttentionOptions attention = {.qkv_bias = attention_bias,
                                      .out_bias = attention_bias,
                                      .attend = {.scale = scores}};
  ValueId x = b.Scale(d.Embed(), embedding);
  x = d.Layers(x, [&](int64_t, ValueId h) {
    const ValueId y =
        d.Attention("self_attn", d.Norm("input_layernorm", h), attention);
    h = b.Add(h, b.Scale(y, residual));
    const ValueId z =
        d.GatedMlp("mlp", d.Norm("post_attention_layernorm", h), mlp_bias);
    return b.Add(h, b.Scale(z, residual));
  });
  return std::move(d).Finish(d.Loss(x, {.scale = 1 / logits}));
}

}  // namespace autotp::model
