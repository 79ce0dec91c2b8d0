// Command R: attention and MLP beside each other behind one layer norm without
// bias, heads turned in pairs of neighbours, logits times a factor; Command R+
// norms each head of q and k with a weight of its own.
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

namespace {

// A layer norm over each head, [B,T,heads,D], with a weight [heads,D].
ValueId NormHeads(Decoder& d, absl::string_view module, ValueId x,
                  int64_t heads) {
  program::Builder& b = d.builder();
  const ValueId weight = b.Parameter(
      absl::StrCat(module, ".weight"), {heads, d.sizes().head_width},
      {.kind = program::Initialization::Kind::kOnes});
  return b.Mul(b.Normalize(x, d.sizes().norm_eps), weight);
}

}  // namespace

absl::StatusOr<FamilyProgram> BuildCohere(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input,
                       {.keys = {.norm_eps = "layer_norm_eps"},
                        .vocabulary = 256000,
                        .hidden = 8192,
                        .intermediate = 22528,
                        .layers = 40,
                        .heads = 64,
                        .positions = 8192,
                        .norm = NormKind::kLayerNoBias,
                        .norm_eps = 1e-5,
                        .tied = true,
                        .padding_idx = 0,
                        .rotary = {.theta = 5e5}},
                       warnings);
  const bool bias = config.Flag("attention_bias", false);
  const bool qk_norm = config.Flag("use_qk_norm", false);
  const double logits = config.Number("logit_scale", 0.0625);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("cohere", sizes);
  program::Builder& b = d.builder();
  const auto attention = [&](ValueId x) {
    const auto scope = b.Enter("self_attn");
    Heads heads = d.Project(x, bias);
    if (qk_norm) {
      heads.q = NormHeads(d, "q_norm", heads.q, sizes.heads);
      heads.k = NormHeads(d, "k_norm", heads.k, sizes.key_value_heads);
    }
    return d.Linear("o_proj", d.Attend(heads, {.interleaved = true}),
                    sizes.hidden, bias);
  };
  const ValueId x = d.Layers(d.Embed(), [&](int64_t, ValueId h) {
    const ValueId y = d.Norm("input_layernorm", h);
    const ValueId z = attention(y);
    return b.Add(h, b.Add(z, d.GatedMlp("mlp", y, /*bias=*/false)));
  });
  return std::move(d).Finish(d.Loss(x, {.scale = logits}));
}

}  // namespace autotp::model
