// StableLM 2: Llama with layer norms and a quarter of each head turned; the 12B
// norms each head of q and k by a module of its own, and has attention and MLP
// beside each other.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

namespace {

// A layer norm over each head, [B,T,heads,D], with the weights of
// "`module`.norms.0", "`module`.norms.1", ...
ValueId NormHeads(Decoder& d, absl::string_view module, ValueId x,
                  int64_t heads) {
  program::Builder& b = d.builder();
  std::vector<ValueId> weights;
  for (int64_t head = 0; head < heads; ++head) {
    weights.push_back(
        b.Parameter(absl::StrCat(module, ".norms.", head, ".weight"),
                    {d.sizes().head_width},
                    {.kind = program::Initialization::Kind::kOnes}));
  }
  return b.Mul(b.Normalize(x, d.sizes().norm_eps), b.Stack(weights));
}

}  // namespace

absl::StatusOr<FamilyProgram> BuildStableLm(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes =
      ReadDecoderSizes(config, input,
                       {.keys = {.norm_eps = "layer_norm_eps"},
                        .vocabulary = 50304,
                        .hidden = 2560,
                        .intermediate = 6912,
                        .key_value_heads = 32,
                        .positions = 4096,
                        .norm = NormKind::kLayer,
                        .norm_eps = 1e-5,
                        .rotary = {.share = 0.25, .partial = true},
                        .residual_dropout = {"hidden_dropout"}},
                       warnings);
  const bool bias = config.Flag("use_qkv_bias", false);
  const bool qk_norm = config.Flag("qk_layernorm", false);
  const bool parallel = config.Flag("use_parallel_residual", false);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("stablelm", sizes);
  program::Builder& b = d.builder();
  const auto attention = [&](ValueId x) {
    const auto scope = b.Enter("self_attn");
    Heads heads = d.Project(x, bias);
    if (qk_norm) {
      heads.q = NormHeads(d, "q_layernorm", heads.q, sizes.heads);
      heads.k = NormHeads(d, "k_layernorm", heads.k, sizes.key_value_heads);
    }
    return d.Linear("o_proj", d.Attend(heads, {}), sizes.hidden,
                    /*bias=*/false);
  };
  return std::move(d).Build([&](int64_t, ValueId x) {
    ValueId y = d.Norm("input_layernorm", x);
    const ValueId z = attention(y);
    if (parallel)
      return b.Add(x, b.Add(z, d.Drop(d.GatedMlp("mlp", y, /*bias=*/false))));
    x = b.Add(x, z);
    y = d.Norm("post_attention_layernorm", x);
    return b.Add(x, d.Drop(d.GatedMlp("mlp", y, /*bias=*/false)));
  });
}

}  // namespace autotp::model
