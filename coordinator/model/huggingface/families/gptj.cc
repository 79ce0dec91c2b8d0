// GPT-J: attention and MLP beside each other behind one layer norm, the first
// channels of each head turned in pairs of neighbours, a head with a bias.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/families/gpt2_keys.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildGptJ(ConfigReader& config,
                                        const InputShape& input,
                                        std::vector<v1::Diagnostic>* warnings) {
  DecoderSizes sizes = ReadDecoderSizes(config, input,
                                        {.keys = kGpt2Keys,
                                         .vocabulary = 50400,
                                         .intermediate = 0,
                                         .layers = 28,
                                         .heads = 16,
                                         .norm = NormKind::kLayer,
                                         .norm_eps = 1e-5,
                                         .activation = "gelu_new",
                                         .pads = false,
                                         .has_rotary = false,
                                         .attention_dropout = {"attn_pdrop"},
                                         .residual_dropout = {"resid_pdrop"},
                                         .embedding_dropout = {"embd_pdrop"}},
                                        warnings);
  sizes.rotary.width = config.Size("rotary_dim", 64);
  if (sizes.rotary.width > sizes.head_width || sizes.rotary.width % 2 != 0) {
    config.Fail("rotary_dim", "has to be even and at most a head's width");
  }
  NeedPositions(config, sizes, "n_positions");
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("gptj", sizes,
            {.base = "transformer",
             .embedding = "wte",
             .layers = "h",
             .norm = "ln_f"});
  program::Builder& b = d.builder();
  const auto attention = [&](ValueId x) {
    const auto scope = b.Enter("attn");
    const ValueId y =
        d.Attend(d.Project(x, /*bias=*/false), {.interleaved = true});
    return d.Drop(d.Linear("out_proj", y, sizes.hidden, /*bias=*/false));
  };
  const auto mlp = [&](ValueId x) {
    const auto scope = b.Enter("mlp");
    return d.Drop(d.Mlp(x, "fc_in", "fc_out", /*bias=*/true));
  };
  const ValueId x =
      d.Layers(d.DropEmbedding(d.Embed()), [&](int64_t, ValueId h) {
        const ValueId y = d.Norm("ln_1", h);
        const ValueId z = attention(y);
        return b.Add(h, b.Add(z, mlp(y)));
      });
  return std::move(d).Finish(d.Loss(x, {.bias = true}));
}

}  // namespace autotp::model
