// decoder.h -- what decoder-only families share: sizes, and pieces of a block.
//
// A family reads its keys, then writes its forward with these pieces. The
// pieces have one canonical form, so that the partitioner finds the same
// pattern in every family: linears, [B,T,H,D], transposed to [B,H,T,D].
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_DECODER_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_DECODER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/model/huggingface/config_reader.h"
#include "coordinator/model/huggingface/rotary.h"
#include "coordinator/program/builder.h"

namespace autotp::model {

struct InputShape {
  int64_t batch = 1;
  int64_t tokens = 1;
};

// What Transformers' config class has for keys that are absent.
struct DecoderDefaults {
  int64_t vocabulary = 32000;
  int64_t hidden = 4096;
  int64_t intermediate = 11008;
  int64_t layers = 32;
  int64_t heads = 32;
  int64_t key_value_heads = 0;  // 0: as many as heads
  int64_t head_width = 0;       // 0: hidden / heads
  int64_t positions = 2048;
  bool tied = false;
};

struct DecoderSizes {
  InputShape input;
  int64_t vocabulary = 0;
  int64_t hidden = 0;
  int64_t intermediate = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t key_value_heads = 0;
  int64_t head_width = 0;
  int64_t padding_idx = -1;  // -1: none
  double norm_eps = 0;
  double standard_deviation = 0;
  std::string activation;  // as operation.h spells it
  bool tied = false;
  RotaryConfig rotary;
};

// Reads the common keys; mistakes are in config.status(). Keys whose effect
// is not there yet (dropout) and sequences beyond max_position_embeddings
// become warnings.
DecoderSizes ReadDecoderSizes(ConfigReader& config, const InputShape& input,
                              const DecoderDefaults& defaults,
                              std::vector<v1::Diagnostic>* warnings);

struct AttentionOptions {
  bool qkv_bias = false;
  bool out_bias = false;
  bool qk_norm = false;  // RMS norm over each head, before the rotation
  int64_t window = 0;    // 0: all tokens before
};

class Decoder {
 public:
  Decoder(std::string name, const DecoderSizes& sizes);

  program::Builder& builder() { return builder_; }
  const DecoderSizes& sizes() const { return sizes_; }

  // "embed_tokens" and the rotary tables.
  program::ValueId Embed();
  program::ValueId Norm(absl::string_view module, program::ValueId x);
  // x[B,T,C] -> [B,T,C], with q_proj, k_proj, v_proj, o_proj.
  program::ValueId Attention(absl::string_view module, program::ValueId x,
                             const AttentionOptions& options);
  // x[B,T,C] -> [B,T,C], with gate_proj, up_proj, down_proj.
  program::ValueId GatedMlp(absl::string_view module, program::ValueId x,
                            bool bias);
  // "lm_head" and the loss.
  absl::StatusOr<program::Program> Finish(program::ValueId x) &&;

 private:
  program::ValueId Heads(program::ValueId x, int64_t count);

  DecoderSizes sizes_;
  program::Builder builder_;
  program::RotaryTables tables_;
};

struct LayerOptions {
  AttentionOptions attention;
  bool mlp_bias = false;
};

// The block that Llama made common, under "model": norm before attention and
// before the MLP, each added to what came in; a norm at the end.
absl::StatusOr<program::Program> BuildPreNormDecoder(
    std::string name, const DecoderSizes& sizes,
    const std::function<LayerOptions(int64_t layer)>& options);

// The window of each layer (0: none) of families with "layer_types",
// "use_sliding_window", "max_window_layers" and "sliding_window".
std::vector<int64_t> ReadLayerWindows(ConfigReader& config, int64_t layers);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_DECODER_H_
