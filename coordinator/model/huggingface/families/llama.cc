// Llama 1 to 3, and the many models that call themselves "llama": grouped
// heads, rotary embeddings (llama3 scaling), optional biases, tied or not.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

absl::StatusOr<FamilyProgram> BuildLlama(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(config, input, {}, warnings);
  const bool attention_bias = config.Flag("attention_bias", false);
  const bool mlp_bias = config.Flag("mlp_bias", false);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("llama", sizes);
  const AttentionOptions attention = {.qkv_bias = attention_bias,
                                      .out_bias = attention_bias};
  return std::move(d).Build([&](int64_t, program::ValueId x) {
    return d.PreNormBlock(x, attention, mlp_bias);
  });
}

}  // namespace autotp::model
