// Phi 3, 3.5, 4 and 4-mini: Llama with q, k and v in one weight, gate and up in
// another; longrope, a window, and a part of each head turned, as the file
// says.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildPhi3(ConfigReader& config,
                                        const InputShape& input,
                                        std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input,
                       {.vocabulary = 32064,
                        .hidden = 3072,
                        .intermediate = 8192,
                        .positions = 4096,
                        .norm_eps = 1e-5,
                        .padding_idx = 32000,
                        .rotary = {.partial = true,
                                   .original_positions = 4096,
                                   .yarn_means_longrope = true},
                        .residual_dropout = {"resid_pdrop"},
                        .unused_dropout = "embd_pdrop"},
                       warnings);
  const int64_t window = ReadWindow(config, 0);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("phi3", sizes);
  program::Builder& b = d.builder();
  const auto attention = [&](ValueId x) {
    const auto scope = b.Enter("self_attn");
    const ValueId qkv = d.Linear("qkv_proj", x, d.FusedWidth(), /*bias=*/false);
    return d.Linear("o_proj", d.Attend(d.FromBlocks(qkv), {.window = window}),
                    sizes.hidden, /*bias=*/false);
  };
  return std::move(d).Build([&](int64_t, ValueId x) {
    x = b.Add(x, d.Drop(attention(d.Norm("input_layernorm", x))));
    return b.Add(x, d.Drop(d.FusedGatedMlp(
                        "mlp", d.Norm("post_attention_layernorm", x))));
  });
}

}  // namespace autotp::model
