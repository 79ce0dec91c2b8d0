// DeepSeek-V3 and R1: latent attention; dense layers first, then experts that
// a sigmoid router chooses in groups, beside shared ones for all tokens. The
// router's correction bias steers the choice and is not trained by gradients.
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/latent_attention.h"
#include "coordinator/model/huggingface/mixture.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

MixtureConfig ReadExperts(ConfigReader& config) {
  MixtureConfig experts =
      ReadMixture(config, {.experts_key = "n_routed_experts",
                           .experts = 256,
                           .top_k = 8,
                           .inner = 2048,
                           .normalize = true});
  experts.scores = "sigmoid";
  experts.corrected = true;
  experts.scale = config.Number("routed_scaling_factor", 2.5);
  experts.groups = config.Size("n_group", 8);
  experts.top_groups = config.Size("topk_group", 4);
  experts.balance = 0;  // Transformers' class has no such loss
  if (experts.experts % experts.groups != 0 ||
      experts.experts < 2 * experts.groups) {
    config.Fail("n_group",
                absl::StrCat("is ", experts.groups, ", which does not divide ",
                             experts.experts,
                             " experts into equal groups of at least two"));
  }
  if (experts.top_groups > experts.groups) {
    config.Fail("topk_group", absl::StrCat("is ", experts.top_groups, " of ",
                                           experts.groups, " groups"));
  }
  return experts;
}

}  // namespace

absl::StatusOr<FamilyProgram> BuildDeepseekV3(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  DecoderSizes sizes = ReadDecoderSizes(config, input,
                                        {.vocabulary = 129280,
                                         .hidden = 7168,
                                         .intermediate = 18432,
                                         .layers = 61,
                                         .heads = 128,
                                         .head_width = 64,
                                         .positions = 4096},
                                        warnings);
  const LatentConfig latent = ReadLatent(config, &sizes);
  const MixtureConfig experts = ReadExperts(config);
  const int64_t shared =
      experts.inner * config.Size("n_shared_experts", 1, kLargestWidth);
  const int64_t dense = config.Integer("first_k_dense_replace").value_or(3);
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("deepseek_v3", sizes);
  program::Builder& b = d.builder();
  Mixture mixture(experts, sizes);
  return std::move(d).Build([&](int64_t layer, program::ValueId x) {
    program::ValueId y = d.Norm("input_layernorm", x);
    x = b.Add(x, LatentAttention(d, "self_attn", y, latent));
    y = d.Norm("post_attention_layernorm", x);
    if (layer < dense) return b.Add(x, d.GatedMlp("mlp", y, /*bias=*/false));
    const auto scope = b.Enter("mlp");
    return b.Add(x, b.Add(mixture.Layer(b, y),
                          d.GatedMlp("shared_experts", y, false, shared)));
  });
}

}  // namespace autotp::model
