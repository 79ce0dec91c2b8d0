// OPT: learned positions from row 2 on, layer norms before (350M: behind)
// attention and MLP, a tied head; the 350M has narrower embeddings between two
// projections.
#include <utility>

#include "coordinator/model/huggingface/families/families.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

absl::StatusOr<FamilyProgram> BuildOpt(ConfigReader& config,
                                       const InputShape& input,
                                       std::vector<v1::Diagnostic>* warnings) {
  DecoderSizes sizes =
      ReadDecoderSizes(config, input,
                       {.keys = {.intermediate = "ffn_dim",
                                 .key_value_heads = "",
                                 .norm_eps = "",
                                 .activation = "activation_function",
                                 .standard_deviation = "init_std"},
                        .vocabulary = 50272,
                        .hidden = 768,
                        .intermediate = 3072,
                        .layers = 12,
                        .heads = 12,
                        .norm_eps = 1e-5,
                        .activation = "relu",
                        .tied = true,
                        .padding_idx = 1,
                        .has_rotary = false,
                        .residual_dropout = {"dropout", 0.1}},
                       warnings);
  NeedPositions(config, sizes, "max_position_embeddings");
  sizes.embedding_width = config.Size("word_embed_proj_dim", sizes.hidden);
  sizes.norm = config.Flag("layer_norm_elementwise_affine", true)
                   ? NormKind::kLayer
                   : NormKind::kLayerPlain;
  const bool bias = config.Flag("enable_bias", true);
  const bool norm_first = config.Flag("do_layer_norm_before", true);
  const bool norm_last =
      norm_first && !config.Flag("_remove_final_layer_norm", false);
  if (config.Number("layerdrop", 0) != 0) {
    config.Fail("layerdrop", "is not 0, and all layers are run here",
                "set it to 0");
  }
  AUTOTP_RETURN_IF_ERROR(config.status());

  Decoder d("opt", sizes, {.base = "model.decoder", .norm = ""});
  program::Builder& b = d.builder();
  const bool projected = sizes.embedding_width != sizes.hidden;
  const auto attention = [&](ValueId x) {
    const auto scope = b.Enter("self_attn");
    const ValueId y = d.Attend(d.Project(x, bias), {.rotary = false});
    return d.Drop(d.Linear("out_proj", y, sizes.hidden, bias));
  };
  const auto mlp = [&](ValueId x) {
    return d.Drop(d.Mlp(x, "fc1", "fc2", bias));
  };

  ValueId x = d.Embed();
  {
    const auto base = d.EnterBase();
    if (projected) x = d.Linear("project_in", x, sizes.hidden, /*bias=*/false);
    constexpr int64_t kFirstRow = 2;
    x = b.Add(x, d.Positions("embed_positions", sizes.positions + kFirstRow,
                             kFirstRow));
  }
  x = d.Layers(x, [&](int64_t, ValueId h) {
    if (norm_first) {
      h = b.Add(h, attention(d.Norm("self_attn_layer_norm", h)));
      return b.Add(h, mlp(d.Norm("final_layer_norm", h)));
    }
    h = d.Norm("self_attn_layer_norm", b.Add(h, attention(h)));
    return d.Norm("final_layer_norm", b.Add(h, mlp(h)));
  });
  {
    const auto base = d.EnterBase();
    if (norm_last) x = d.Norm("final_layer_norm", x);
    if (projected)
      x = d.Linear("project_out", x, sizes.embedding_width, /*bias=*/false);
  }
  return std::move(d).Finish(d.Loss(x));
}

}  // namespace autotp::model
