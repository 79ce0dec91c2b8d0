// Mistral 7B and its kin: Llama without biases, with one window for all
// layers if the config has one; heads may be wider than hidden / heads (Nemo).
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

absl::StatusOr<FamilyProgram> BuildMistral(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  FamilyProgram built;
  built.sizes = ReadDecoderSizes(
      config, input,
      {.intermediate = 14336, .key_value_heads = 8, .positions = 131072},
      warnings);
  // An absent key is the class's window, an explicit null is none.
  const bool none = config.IsNull("sliding_window");
  const int64_t window = none ? 0 : config.Size("sliding_window", 4096);
  AUTOTP_RETURN_IF_ERROR(config.status());

  const LayerOptions layer = {.attention = {.window = window}};
  AUTOTP_ASSIGN_OR_RETURN(built.program,
                          BuildPreNormDecoder("mistral", built.sizes,
                                              [&](int64_t) { return layer; }));
  return built;
}

}  // namespace autotp::model
