// Phi 1, 1.5 and 2: attention and MLP beside each other behind one layer norm,
// biases everywhere (the head too), half of each head turned.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildPhi(ConfigReader& config,
                                       const InputShape& input,
                                       std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input,
                       {.keys = {.norm_eps = "layer_norm_eps"},
                        .vocabulary = 51200,
                        .hidden = 2048,
                        .intermediate = 8192,
                        .layers = 24,
                        .norm = NormKind::kLayer,
                        .norm_eps = 1e-5,
                        .activation = "gelu_new",
                        .rotary = {.share = 0.5, .partial = true},
                        .residual_dropout = {"resid_pdrop"},
                        .embedding_dropout = {"embd_pdrop"}},
                       warnings);
  const bool qk_norm = config.Flag("qk_layernorm", false);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("phi", sizes, {.norm = "final_layernorm"});
  program::Builder& b = d.builder();
  const auto attention = [&](ValueId x) {
    const auto scope = b.Enter("self_attn");
    Heads heads = d.Project(x, /*bias=*/true);
    if (qk_norm) {
      heads.q = d.Norm("q_layernorm", heads.q);
      heads.k = d.Norm("k_layernorm", heads.k);
    }
    return d.Drop(d.Linear("dense", d.Attend(heads, {}), sizes.hidden,
                           /*bias=*/true));
  };
  const auto mlp = [&](ValueId x) {
    const auto scope = b.Enter("mlp");
    return d.Drop(d.Mlp(x, "fc1", "fc2", /*bias=*/true));
  };
  const ValueId x =
      d.Layers(d.DropEmbedding(d.Embed()), [&](int64_t, ValueId h) {
        const ValueId y = d.Norm("input_layernorm", h);
        const ValueId z = attention(y);
        return b.Add(h, b.Add(z, mlp(y)));
      });
  return std::move(d).Finish(d.Loss(x, {.bias = true}));
}

}  // namespace autotp::model
