// GPT-2: learned positions, layer norms, weights stored [in, out], q, k and v
// in one of them, a tied head.
#include <cmath>
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/families/gpt2_keys.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildGpt2(ConfigReader& config,
                                        const InputShape& input,
                                        std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input,
                       {.keys = kGpt2Keys,
                        .vocabulary = 50257,
                        .hidden = 768,
                        .intermediate = 0,
                        .layers = 12,
                        .heads = 12,
                        .positions = 1024,
                        .norm = NormKind::kLayer,
                        .norm_eps = 1e-5,
                        .activation = "gelu_new",
                        .tied = true,
                        .pads = false,
                        .has_rotary = false,
                        .attention_dropout = {"attn_pdrop", 0.1},
                        .residual_dropout = {"resid_pdrop", 0.1},
                        .embedding_dropout = {"embd_pdrop", 0.1}},
                       warnings);
  NeedPositions(config, sizes, "n_positions");
  const bool scaled = config.Flag("scale_attn_weights", true);
  const bool by_layer = config.Flag("scale_attn_by_inverse_layer_idx", false);
  if (config.Flag("add_cross_attention", false))
    config.Fail("add_cross_attention", "needs an encoder, here is none");
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("gpt2", sizes,
            {.base = "transformer",
             .embedding = "wte",
             .layers = "h",
             .norm = "ln_f"});
  program::Builder& b = d.builder();
  const double deviation = sizes.standard_deviation;
  // What residuals add up starts smaller the more layers there are.
  const double branch =
      deviation / std::sqrt(2 * static_cast<double>(sizes.layers));
  const auto attention = [&](int64_t layer, ValueId x) {
    const auto scope = b.Enter("attn");
    double scale =
        scaled ? 1 / std::sqrt(static_cast<double>(sizes.head_width)) : 1;
    if (by_layer) scale /= static_cast<double>(layer + 1);
    const ValueId qkv = d.Conv1d("c_attn", x, d.FusedWidth(), deviation);
    const ValueId y =
        d.Attend(d.FromBlocks(qkv), {.rotary = false, .scale = scale});
    return d.Drop(d.Conv1d("c_proj", y, sizes.hidden, branch));
  };
  const auto mlp = [&](ValueId x) {
    const auto scope = b.Enter("mlp");
    const ValueId y = d.Conv1d("c_fc", x, sizes.intermediate, deviation);
    return d.Drop(d.Conv1d("c_proj", b.Activation(y, sizes.activation),
                           sizes.hidden, branch));
  };

  ValueId x = d.Embed();
  {
    const auto base = d.EnterBase();
    x = b.Add(x, d.Positions("wpe", sizes.positions, 0));
  }
  x = d.Layers(d.DropEmbedding(x), [&](int64_t layer, ValueId h) {
    h = b.Add(h, attention(layer, d.Norm("ln_1", h)));
    return b.Add(h, mlp(d.Norm("ln_2", h)));
  });
  return std::move(d).Finish(d.Loss(x));
}

}  // namespace autotp::model
