#include "coordinator/model/huggingface/decoder.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using program::ValueId;

Decoder::Decoder(std::string name, const DecoderSizes& sizes,
                 const DecoderNames& names)
    : sizes_(sizes),
      names_(names),
      builder_(std::move(name), sizes.input.batch, sizes.input.tokens,
               sizes.input.packed) {}

ValueId Decoder::Embed() {
  const auto base = builder_.Enter(names_.base);
  const ValueId x =
      builder_.Embedding(names_.embedding, builder_.input_ids(),
                         {.rows = sizes_.vocabulary,
                          .width = sizes_.embedding_width,
                          .padding_idx = sizes_.padding_idx,
                          .standard_deviation = sizes_.standard_deviation});
  if (sizes_.rotary.width > 0) tables_ = Tables(sizes_.rotary);
  return x;
}

program::RotaryTables Decoder::Tables(const RotaryConfig& rotary) {
  const auto scope = builder_.Enter("rotary_emb");
  return builder_.RotaryTable(InverseFrequencies(rotary, sizes_.input.tokens),
                              sizes_.input.tokens, rotary.table_scale);
}

ValueId Decoder::Layers(ValueId x, const Block& block) {
  const auto base = builder_.Enter(names_.base);
  for (int64_t layer = 0; layer < sizes_.layers; ++layer) {
    const auto scope = builder_.Enter(absl::StrCat(names_.layers, ".", layer));
    x = block(layer, x);
  }
  return x;
}

ValueId Decoder::Loss(ValueId x, const HeadOptions& head) {
  if (!names_.norm.empty()) {
    const auto base = builder_.Enter(names_.base);
    x = Norm(names_.norm, x);
  }
  program::LinearOptions linear = {
      .out = sizes_.vocabulary,
      .bias = head.bias,
      .standard_deviation = sizes_.standard_deviation};
  if (sizes_.tied) {
    linear.tied_to =
        absl::StrCat(names_.base, ".", names_.embedding, ".weight");
  }
  ValueId logits = builder_.Linear(names_.head, x, linear);
  if (head.scale != 1) logits = builder_.Scale(logits, head.scale);
  if (head.soft_cap > 0) logits = builder_.SoftCap(logits, head.soft_cap);
  return builder_.CrossEntropy(logits, builder_.labels());
}

absl::StatusOr<FamilyProgram> Decoder::Finish(ValueId loss) && {
  FamilyProgram built;
  built.sizes = sizes_;
  AUTOTP_ASSIGN_OR_RETURN(built.program, std::move(builder_).Finish(loss));
  return built;
}

absl::StatusOr<FamilyProgram> Decoder::Build(const Block& block) && {
  const ValueId x = Layers(DropEmbedding(Embed()), block);
  return std::move(*this).Finish(Loss(x));
}

ValueId Decoder::Norm(absl::string_view module, ValueId x) {
  switch (sizes_.norm) {
    case NormKind::kRms:
      return builder_.RmsNorm(module, x, sizes_.norm_eps);
    case NormKind::kRmsPlusOne:
      return builder_.RmsNorm(module, x, sizes_.norm_eps, /*offset=*/1);
    case NormKind::kLayer:
      return builder_.LayerNorm(module, x, sizes_.norm_eps, /*bias=*/true);
    case NormKind::kLayerNoBias:
      return builder_.LayerNorm(module, x, sizes_.norm_eps, /*bias=*/false);
    case NormKind::kLayerPlain:
      return builder_.Normalize(x, sizes_.norm_eps);
  }
  return x;
}

ValueId Decoder::Drop(ValueId branch) {
  return builder_.Dropout(branch, sizes_.residual_dropout);
}

ValueId Decoder::DropEmbedding(ValueId x) {
  const auto base = builder_.Enter(names_.base);
  return builder_.Dropout(x, sizes_.embedding_dropout);
}

ValueId Decoder::Linear(absl::string_view module, ValueId x, int64_t out,
                        bool bias) {
  return builder_.Linear(module, x,
                         {.out = out,
                          .bias = bias,
                          .standard_deviation = sizes_.standard_deviation});
}

ValueId Decoder::ToHeads(ValueId x, int64_t count) {
  return builder_.Reshape(
      x, {sizes_.input.batch, sizes_.input.tokens, count, sizes_.head_width});
}

ValueId Decoder::Conv1d(absl::string_view module, ValueId x, int64_t out,
                        double standard_deviation) {
  return builder_.Linear(module, x,
                         {.out = out,
                          .bias = true,
                          .transposed = true,
                          .standard_deviation = standard_deviation});
}

ValueId Decoder::Positions(absl::string_view module, int64_t rows,
                           int64_t first) {
  const ValueId table =
      builder_.Parameter(absl::StrCat(module, ".weight"), {rows, sizes_.hidden},
                         {.standard_deviation = sizes_.standard_deviation});
  const ValueId rows_used =
      builder_.Slice(table, 0, first, first + sizes_.input.tokens);
  return sizes_.input.packed ? builder_.LookUp(rows_used, builder_.positions())
                             : rows_used;
}

Heads Decoder::ToHeads(ValueId q, ValueId k, ValueId v) {
  return {ToHeads(q, sizes_.heads), ToHeads(k, sizes_.key_value_heads),
          ToHeads(v, sizes_.key_value_heads)};
}

Heads Decoder::Project(ValueId x, bool bias) {
  const int64_t groups = sizes_.key_value_heads * sizes_.head_width;
  const ValueId q = Linear("q_proj", x, sizes_.heads * sizes_.head_width, bias);
  const ValueId k = Linear("k_proj", x, groups, bias);
  const ValueId v = Linear("v_proj", x, groups, bias);
  return ToHeads(q, k, v);
}

Heads Decoder::FromBlocks(ValueId qkv) {
  const int64_t q = sizes_.heads * sizes_.head_width;
  const int64_t k = sizes_.key_value_heads * sizes_.head_width;
  const Heads blocks = {builder_.Slice(qkv, 2, 0, q),
                        builder_.Slice(qkv, 2, q, q + k),
                        builder_.Slice(qkv, 2, q + k, q + 2 * k)};
  return ToHeads(blocks.q, blocks.k, blocks.v);
}

Heads Decoder::FromGroups(ValueId qkv) {
  const int64_t queries = sizes_.heads / sizes_.key_value_heads;
  const ValueId groups = builder_.Reshape(
      qkv, {sizes_.input.batch, sizes_.input.tokens, sizes_.key_value_heads,
            queries + 2, sizes_.head_width});
  const Heads parts = {builder_.Slice(groups, 3, 0, queries),
                       builder_.Slice(groups, 3, queries, queries + 1),
                       builder_.Slice(groups, 3, queries + 1, queries + 2)};
  return ToHeads(parts.q, parts.k, parts.v);
}

ValueId Decoder::Attend(const Heads& heads, const AttendOptions& options) {
  ValueId q = builder_.Transpose(heads.q, 1, 2);
  ValueId k = builder_.Transpose(heads.k, 1, 2);
  const ValueId v = builder_.Transpose(heads.v, 1, 2);
  if (options.rotary) {
    const program::RotaryTables& tables = options.tables.value_or(tables_);
    q = builder_.Rotary(q, tables, options.interleaved);
    k = builder_.Rotary(k, tables, options.interleaved);
  }
  // A window that holds the whole sequence hides nothing.
  const int64_t window =
      options.window < sizes_.input.tokens ? options.window : 0;
  const double scale = options.scale.value_or(
      1.0 / std::sqrt(static_cast<double>(sizes_.head_width)));
  const ValueId y = builder_.Attention(
      q, k, v,
      {.scale = scale,
       .window = window,
       .soft_cap = options.soft_cap,
       .bias = options.bias,
       .dropout = options.dropout ? sizes_.attention_dropout : 0});
  return builder_.Reshape(builder_.Transpose(y, 1, 2),
                          {sizes_.input.batch, sizes_.input.tokens,
                           sizes_.heads * sizes_.head_width});
}

ValueId Decoder::Attention(absl::string_view module, ValueId x,
                           const AttentionOptions& options) {
  const auto scope = builder_.Enter(module);
  Heads heads = Project(x, options.qkv_bias);
  if (options.qk_norm) {
    heads.q = Norm("q_norm", heads.q);
    heads.k = Norm("k_norm", heads.k);
  }
  return Linear("o_proj", Attend(heads, options.attend), sizes_.hidden,
                options.out_bias);
}

ValueId Decoder::GatedMlp(absl::string_view module, ValueId x, bool bias,
                          int64_t inner) {
  const auto scope = builder_.Enter(module);
  if (inner == 0) inner = sizes_.intermediate;
  const ValueId gate = Linear("gate_proj", x, inner, bias);
  const ValueId up = Linear("up_proj", x, inner, bias);
  return Linear("down_proj",
                builder_.GatedActivation(gate, up, sizes_.activation),
                sizes_.hidden, bias);
}

ValueId Decoder::FusedGatedMlp(absl::string_view module, ValueId x) {
  const auto scope = builder_.Enter(module);
  const int64_t width = sizes_.intermediate;
  const ValueId both = Linear("gate_up_proj", x, 2 * width, /*bias=*/false);
  const ValueId gate = builder_.Slice(both, 2, 0, width);
  const ValueId up = builder_.Slice(both, 2, width, 2 * width);
  return Linear("down_proj",
                builder_.GatedActivation(gate, up, sizes_.activation),
                sizes_.hidden, /*bias=*/false);
}

ValueId Decoder::Mlp(ValueId x, absl::string_view up, absl::string_view down,
                     bool bias) {
  const ValueId y = Linear(up, x, sizes_.intermediate, bias);
  return Linear(down, builder_.Activation(y, sizes_.activation), sizes_.hidden,
                bias);
}

ValueId Decoder::PreNormBlock(ValueId x, const AttentionOptions& attention,
                              bool mlp_bias) {
  const ValueId y = Norm("input_layernorm", x);
  x = builder_.Add(x, Attention("self_attn", y, attention));
  return builder_.Add(
      x, GatedMlp("mlp", Norm("post_attention_layernorm", x), mlp_bias));
}

}  // namespace autotp::model
