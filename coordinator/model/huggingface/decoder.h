// decoder.h -- what decoder-only families share: pieces of a block.
//
// A family reads its keys (decoder_sizes.h), then writes its forward with
// these pieces:
//
//   Decoder d("llama", sizes);
//   return std::move(d).Build([&](int64_t layer, ValueId x) {
//     x = b.Add(x, d.Attention("self_attn", d.Norm("input_layernorm", x), {}));
//     return b.Add(x, d.GatedMlp("mlp", d.Norm("post_attention_...", x), {}));
//   });
//
// The pieces have one canonical form, so that the partitioner finds the same
// pattern in every family: linears, [B,T,H,D], transposed to [B,H,T,D].
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_DECODER_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_DECODER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "coordinator/model/huggingface/decoder_sizes.h"
#include "coordinator/program/builder.h"

namespace autotp::model {

// What a decoder's own modules are called.
struct DecoderNames {
  absl::string_view base = "model";
  absl::string_view embedding = "embed_tokens";
  absl::string_view layers = "layers";
  absl::string_view norm = "norm";  // behind the last layer; empty: none
  absl::string_view head = "lm_head";
};

// Queries, keys and values, each [B,T,heads,D].
struct Heads {
  program::ValueId q = program::kNoValue;
  program::ValueId k = program::kNoValue;
  program::ValueId v = program::kNoValue;
};

// How queries meet keys.
struct AttendOptions {
  bool rotary = true;
  bool interleaved = false;  // pairs of neighbours are turned
  // Other tables than the decoder's own.
  std::optional<program::RotaryTables> tables;
  std::optional<double> scale;                // of the scores; else 1 / sqrt(D)
  int64_t window = 0;                         // 0: all tokens before
  double soft_cap = 0;                        // 0: none
  program::ValueId bias = program::kNoValue;  // by head and key
  bool dropout = true;                        // with the model's probability
};

// The attention that Llama made common.
struct AttentionOptions {
  bool qkv_bias = false;
  bool out_bias = false;
  bool qk_norm = false;  // the decoder's norm over each head, before rotation
  AttendOptions attend;
};

struct HeadOptions {
  bool bias = false;
  double scale = 1;     // of the logits
  double soft_cap = 0;  // 0: none
};

// A model's program, and the sizes that plans speak of.
struct FamilyProgram {
  program::Program program;
  DecoderSizes sizes;
};

// One layer, in its scope: x[B,T,C] -> [B,T,C].
using Block =
    std::function<program::ValueId(int64_t layer, program::ValueId x)>;

class Decoder {
 public:
  Decoder(std::string name, const DecoderSizes& sizes,
          const DecoderNames& names = {});

  program::Builder& builder() { return builder_; }
  const DecoderSizes& sizes() const { return sizes_; }

  // The look-up, [B,T,C], and the rotary tables if the family has them.
  program::ValueId Embed();
  program::ValueId Layers(program::ValueId x, const Block& block);
  // For what stands between these, or behind them.
  [[nodiscard]] program::Builder::Scope EnterBase() {
    return builder_.Enter(names_.base);
  }
  // The last norm, the head and the loss.
  program::ValueId Loss(program::ValueId x, const HeadOptions& head = {});
  absl::StatusOr<FamilyProgram> Finish(program::ValueId loss) &&;
  // All of these, one after the other.
  absl::StatusOr<FamilyProgram> Build(const Block& block) &&;

  program::RotaryTables Tables(const RotaryConfig& rotary);
  const program::RotaryTables& tables() const { return tables_; }
  program::ValueId Norm(absl::string_view module, program::ValueId x);
  // Dropout, with the model's probabilities, of what a branch adds to the
  // residual stream, and of the embeddings.
  program::ValueId Drop(program::ValueId branch);
  program::ValueId DropEmbedding(program::ValueId x);
  program::ValueId Linear(absl::string_view module, program::ValueId x,
                          int64_t out, bool bias);

  // A linear with a bias whose weight is stored [in, out].
  program::ValueId Conv1d(absl::string_view module, program::ValueId x,
                          int64_t out, double standard_deviation);
  // Rows [first, first + T) of a table of `rows` learned positions: [T,C]; of
  // packed documents the row of each token's position: [B,T,C]. Rotations and
  // ALiBi need no such care: only distances within a document count in them
  // (a table that stretches with the length stretches for the sequence's).
  program::ValueId Positions(absl::string_view module, int64_t rows,
                             int64_t first);

  // Queries, keys and values: of linears of their own; of q_proj, k_proj and
  // v_proj; of one linear, [all q | all k | all v]; of one linear that has for
  // each key and value head [its q ... | k | v].
  Heads ToHeads(program::ValueId q, program::ValueId k, program::ValueId v);
  Heads Project(program::ValueId x, bool bias);
  Heads FromBlocks(program::ValueId qkv);
  Heads FromGroups(program::ValueId qkv);
  // Channels of the one linear.
  int64_t FusedWidth() const {
    return (sizes_.heads + 2 * sizes_.key_value_heads) * sizes_.head_width;
  }

  // -> [B,T,H*D], for the linear behind.
  program::ValueId Attend(const Heads& heads, const AttendOptions& options);

  // x[B,T,C] -> [B,T,C], with q_proj, k_proj, v_proj, o_proj.
  program::ValueId Attention(absl::string_view module, program::ValueId x,
                             const AttentionOptions& options);
  // x[B,T,C] -> [B,T,C], with gate_proj, up_proj, down_proj.
  // `inner`: its width, 0: the model's intermediate size.
  program::ValueId GatedMlp(absl::string_view module, program::ValueId x,
                            bool bias, int64_t inner = 0);
  // The same with gate and up as one linear, gate_up_proj.
  program::ValueId FusedGatedMlp(absl::string_view module, program::ValueId x);
  // x[B,T,C] -> [B,T,C], without a gate.
  program::ValueId Mlp(program::ValueId x, absl::string_view up,
                       absl::string_view down, bool bias);

  // The block that Llama made common: norm before attention and before the
  // MLP, each added to what came in.
  program::ValueId PreNormBlock(program::ValueId x,
                                const AttentionOptions& attention,
                                bool mlp_bias);

 private:
  program::ValueId ToHeads(program::ValueId x, int64_t count);

  const DecoderSizes sizes_;
  const DecoderNames names_;
  program::Builder builder_;
  program::RotaryTables tables_;
};

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_DECODER_H_
