// Mixtral: Mistral's attention, and in place of the MLP a mixture of experts
// whose weights sum to one. Files name its modules after the paper.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/layer_windows.h"
#include "coordinator/model/huggingface/mixture.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

absl::StatusOr<FamilyProgram> BuildMixtral(
    ConfigReader& config, const InputShape& input,
    std::vector<v1::Diagnostic>* warnings) {
  const DecoderSizes sizes = ReadDecoderSizes(config, input,
                                              {.intermediate = 14336,
                                               .key_value_heads = 8,
                                               .positions = 131072,
                                               .norm_eps = 1e-5,
                                               .rotary = {.theta = 1e6}},
                                              warnings);
  MixtureConfig experts =
      ReadMixture(config, {.experts_key = "num_local_experts",
                           .inner_key = "intermediate_size",
                           .experts = 8,
                           .top_k = 2,
                           .inner = 14336});
  experts.normalize = true;
  const int64_t window = ReadWindow(config, 0);
  if (config.Number("router_jitter_noise", 0) != 0) {
    warnings->push_back(
        config.Warning("router_jitter_noise", "has no effect here",
                       "training runs without noise, set it to 0 to say so"));
  }
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("mixtral", sizes);
  program::Builder& b = d.builder();
  Mixture mixture(experts, sizes,
                  {.gate_proj = "w1", .up_proj = "w3", .down_proj = "w2"});
  const AttentionOptions attention = {.attend = {.window = window}};
  const program::ValueId last =
      d.Layers(d.Embed(), [&](int64_t, program::ValueId x) {
        program::ValueId y = d.Norm("input_layernorm", x);
        x = b.Add(x, d.Attention("self_attn", y, attention));
        y = d.Norm("post_attention_layernorm", x);
        const auto scope = b.Enter("block_sparse_moe");
        return b.Add(x, mixture.Layer(b, y));
      });
  return std::move(d).Finish(mixture.AddBalance(b, d.Loss(last)));
}

}  // namespace autotp::model
