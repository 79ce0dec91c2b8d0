// Gemma 1: Llama with (1 + w) norms, embeddings times sqrt(hidden), wide heads
// and a GELU gate.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/families/gemma.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildGemma(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  DecoderSizes sizes = ReadDecoderSizes(config, input,
                                        {.vocabulary = 256000,
                                         .hidden = 3072,
                                         .intermediate = 24576,
                                         .layers = 28,
                                         .heads = 16,
                                         .key_value_heads = 16,
                                         .head_width = 256,
                                         .positions = 8192,
                                         .norm = NormKind::kRmsPlusOne,
                                         .activation = "gelu_pytorch_tanh",
                                         .tied = true,
                                         .padding_idx = 0},
                                        warnings);
  // The first files say "gelu" and mean its tanh form.
  if (sizes.activation == "gelu") sizes.activation = "gelu_tanh";
  const bool bias = config.Flag("attention_bias", false);
  RefuseBidirectional(config);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("gemma", sizes);
  const AttentionOptions attention = {.qkv_bias = bias, .out_bias = bias};
  const ValueId x = d.Layers(ScaledEmbedding(d), [&](int64_t, ValueId h) {
    return d.PreNormBlock(h, attention, /*mlp_bias=*/false);
  });
  return std::move(d).Finish(d.Loss(x));
}

}  // namespace autotp::model
