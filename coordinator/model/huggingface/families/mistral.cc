// Mistral 7B and its kin: Llama without biases, with one window for all
// layers if the config has one; heads may be wider than hidden / heads (Nemo).
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

absl::StatusOr<FamilyProgram> BuildMistral(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(
      config, input,
      {.intermediate = 14336, .key_value_heads = 8, .positions = 131072},
      warnings);
  const int64_t window = ReadWindow(config, 4096);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("mistral", sizes);
  return std::move(d).Build([&](int64_t, program::ValueId x) {
    return d.PreNormBlock(x, {.attend = {.window = window}},
                          /*mlp_bias=*/false);
  });
}

}  // namespace autotp::model
