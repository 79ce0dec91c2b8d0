#include "tests/unit/coordinator/partition/models.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/program/builder.h"
#include "proto/support/check.h"

namespace autotp::partition {

using program::Builder;
using program::Program;
using program::RotaryTables;
using program::ValueId;

namespace {

Program Finish(Builder&& builder, ValueId loss) {
  absl::StatusOr<Program> program = std::move(builder).Finish(loss);
  AUTOTP_CHECK(program.ok(), program.status().ToString());
  return *std::move(program);
}

ValueId Heads(Builder& b, ValueId x, int64_t heads) {
  const std::vector<int64_t> shape = b.ShapeOf(x);
  return b.Transpose(
      b.Reshape(x, {shape[0], shape[1], heads, shape[2] / heads}), 1, 2);
}

ValueId JoinHeads(Builder& b, ValueId x) {
  const std::vector<int64_t> shape = b.ShapeOf(x);
  return b.Reshape(b.Transpose(x, 1, 2),
                   {shape[0], shape[2], shape[1] * shape[3]});
}

ValueId LlamaAttention(Builder& b, const LlamaShape& s, ValueId x,
                       const RotaryTables& tables) {
  const auto scope = b.Enter("self_attn");
  const int64_t q_width = s.heads * s.head_width;
  const int64_t k_width = s.groups * s.head_width;
  ValueId q, k, v;
  if (s.fused) {
    const ValueId qkv = b.Linear("qkv_proj", x,
                                 {.out = q_width + 2 * k_width,
                                  .bias = s.attention_bias,
                                  .tied_to = ""});
    q = b.Slice(qkv, 2, 0, q_width);
    k = b.Slice(qkv, 2, q_width, q_width + k_width);
    v = b.Slice(qkv, 2, q_width + k_width, q_width + 2 * k_width);
  } else {
    q = b.Linear("q_proj", x,
                 {.out = q_width, .bias = s.attention_bias, .tied_to = ""});
    k = b.Linear("k_proj", x,
                 {.out = k_width, .bias = s.attention_bias, .tied_to = ""});
    v = b.Linear("v_proj", x,
                 {.out = k_width, .bias = s.attention_bias, .tied_to = ""});
  }
  if (s.full_norms) {
    q = b.RmsNorm("q_norm", q, 1e-6);
    k = b.RmsNorm("k_norm", k, 1e-6);
  }
  if (s.full_layer_norms) {
    q = b.LayerNorm("q_norm", q, 1e-6, /*bias=*/true);
    k = b.LayerNorm("k_norm", k, 1e-6, /*bias=*/true);
  }
  q = Heads(b, q, s.heads);
  k = Heads(b, k, s.groups);
  v = Heads(b, v, s.groups);
  if (s.head_norms) {
    q = b.RmsNorm("q_norm", q, 1e-6);
    k = b.RmsNorm("k_norm", k, 1e-6);
  }
  q = b.Rotary(q, tables);
  k = b.Rotary(k, tables);
  const ValueId y =
      b.Attention(q, k, v,
                  {.scale = 1 / std::sqrt(static_cast<double>(s.head_width)),
                   .window = s.window,
                   .dropout = s.dropout});
  return b.Dropout(
      b.Linear("o_proj", JoinHeads(b, y),
               {.out = s.hidden, .bias = s.attention_bias, .tied_to = ""}),
      s.dropout);
}

ValueId LlamaMlp(Builder& b, const LlamaShape& s, ValueId x) {
  const auto scope = b.Enter("mlp");
  ValueId gate, up;
  if (s.fused) {
    const ValueId both = b.Linear(
        "gate_up_proj", x,
        {.out = 2 * s.intermediate, .bias = s.mlp_bias, .tied_to = ""});
    gate = b.Slice(both, 2, 0, s.intermediate);
    up = b.Slice(both, 2, s.intermediate, 2 * s.intermediate);
  } else {
    gate = b.Linear("gate_proj", x,
                    {.out = s.intermediate, .bias = s.mlp_bias, .tied_to = ""});
    up = b.Linear("up_proj", x,
                  {.out = s.intermediate, .bias = s.mlp_bias, .tied_to = ""});
  }
  return b.Linear("down_proj",
                  b.Dropout(b.GatedActivation(gate, up, "silu"), s.dropout),
                  {.out = s.hidden, .bias = s.mlp_bias, .tied_to = ""});
}

ValueId Gpt2Attention(Builder& b, const Gpt2Shape& s, ValueId x) {
  const auto scope = b.Enter("attn");
  ValueId q, k, v;
  if (s.fused) {
    const ValueId all = b.Linear(
        "c_attn", x, {.out = 3 * s.hidden, .bias = true, .tied_to = ""});
    q = b.Slice(all, 2, 0, s.hidden);
    k = b.Slice(all, 2, s.hidden, 2 * s.hidden);
    v = b.Slice(all, 2, 2 * s.hidden, 3 * s.hidden);
  } else {
    q = b.Linear("q", x, {.out = s.hidden, .bias = true, .tied_to = ""});
    k = b.Linear("k", x, {.out = s.hidden, .bias = true, .tied_to = ""});
    v = b.Linear("v", x, {.out = s.hidden, .bias = true, .tied_to = ""});
  }
  const ValueId y =
      b.Attention(Heads(b, q, s.heads), Heads(b, k, s.heads),
                  Heads(b, v, s.heads), {.scale = 0.5, .dropout = s.dropout});
  return b.Dropout(b.Linear("c_proj", JoinHeads(b, y),
                            {.out = s.hidden, .bias = true, .tied_to = ""}),
                   s.dropout);
}

ValueId Gpt2Mlp(Builder& b, const Gpt2Shape& s, ValueId x) {
  const auto scope = b.Enter("mlp");
  const ValueId up =
      b.Linear("c_fc", x, {.out = 3 * s.hidden, .bias = true, .tied_to = ""});
  return b.Dropout(b.Linear("c_proj", b.Activation(up, "gelu_tanh"),
                            {.out = s.hidden, .bias = true, .tied_to = ""}),
                   s.dropout);
}

}  // namespace

Program MakeLlama(const LlamaShape& s) {
  Builder b("llama", s.batch, s.tokens);
  std::vector<double> frequencies;
  for (int64_t j = 0; j < s.head_width / 2; ++j)
    frequencies.push_back(1.0 / static_cast<double>(j + 1));
  ValueId x;
  {
    const auto model = b.Enter("model");
    x = b.Embedding("embed_tokens", b.input_ids(),
                    {.rows = s.vocabulary,
                     .width = s.hidden,
                     .padding_idx = s.padding_idx});
    const RotaryTables tables = b.RotaryTable(frequencies, s.tokens);
    for (int layer = 0; layer < s.layers; ++layer) {
      const auto scope = b.Enter(absl::StrCat("layers.", layer));
      x = b.Add(x, LlamaAttention(b, s, b.RmsNorm("input_layernorm", x, 1e-6),
                                  tables));
      x = b.Add(x,
                LlamaMlp(b, s, b.RmsNorm("post_attention_layernorm", x, 1e-6)));
    }
    x = b.RmsNorm("norm", x, 1e-6);
  }
  const ValueId logits =
      b.Linear("lm_head", x,
               {.out = s.vocabulary,
                .tied_to = s.tied ? "model.embed_tokens.weight" : ""});
  const ValueId loss = b.CrossEntropy(logits, b.labels());
  return Finish(std::move(b), loss);
}

Program MakeGpt2(const Gpt2Shape& s) {
  constexpr int64_t kTokens = 4;
  Builder b("gpt2", 2, kTokens);
  ValueId x = b.Embedding("wte", b.input_ids(),
                          {.rows = s.vocabulary, .width = s.hidden});
  const ValueId positions = b.Parameter("wpe.weight", {9, s.hidden}, {});
  x = b.Dropout(b.Add(x, b.Slice(positions, 0, 0, kTokens)), s.dropout);
  for (int layer = 0; layer < s.layers; ++layer) {
    const auto scope = b.Enter(absl::StrCat("h.", layer));
    const ValueId first = b.LayerNorm("ln_1", x, 1e-5, true);
    const ValueId attention = Gpt2Attention(b, s, first);
    if (s.parallel) {
      const ValueId second =
          s.norms == 1 ? first : b.LayerNorm("ln_2", x, 1e-5, true);
      const ValueId mlp = Gpt2Mlp(b, s, second);
      x = b.Add(b.Add(attention, mlp), x);
    } else {
      x = b.Add(attention, x);
      x = b.Add(x, Gpt2Mlp(b, s, b.LayerNorm("ln_2", x, 1e-5, true)));
    }
  }
  x = b.LayerNorm("ln_f", x, 1e-5, true);
  const ValueId logits =
      b.Linear("lm_head", x, {.out = s.vocabulary, .tied_to = "wte.weight"});
  const ValueId loss = b.CrossEntropy(logits, b.labels());
  return Finish(std::move(b), loss);
}

}  // namespace autotp::partition
