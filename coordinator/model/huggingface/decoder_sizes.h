// decoder_sizes.h -- the sizes of a decoder-only model, from its config.json.
//
// Families spell the same keys differently and differ in what an absent key
// means; both are data here (DecoderKeys, DecoderDefaults), so that a family
// says only what is its own.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_DECODER_SIZES_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_DECODER_SIZES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/model/huggingface/config_reader.h"
#include "coordinator/model/huggingface/rotary.h"

namespace autotp::model {

struct InputShape {
  int64_t batch = 1;
  int64_t tokens = 1;
  bool packed = false;  // sequences hold documents (Builder's positions)
};

// What a family calls the common keys; where its own name is absent, the usual
// one (as here) counts too. Empty: it has no such key.
struct DecoderKeys {
  absl::string_view hidden = "hidden_size";
  absl::string_view intermediate = "intermediate_size";
  absl::string_view layers = "num_hidden_layers";
  absl::string_view heads = "num_attention_heads";
  absl::string_view key_value_heads = "num_key_value_heads";
  absl::string_view positions = "max_position_embeddings";
  absl::string_view norm_eps = "rms_norm_eps";
  absl::string_view activation = "hidden_act";
  absl::string_view standard_deviation = "initializer_range";
};

enum class NormKind {
  kRms,
  kRmsPlusOne,   // times (1 + weight): gemma
  kLayer,        // weight and bias
  kLayerNoBias,  // cohere
  kLayerPlain,   // neither: olmo
};

// A probability of dropout: its key and what an absent one means.
struct DropoutKey {
  absl::string_view key;  // empty: the family has none
  double fallback = 0;
};

// What Transformers' config class has for keys that are absent.
struct DecoderDefaults {
  DecoderKeys keys;
  int64_t vocabulary = 32000;
  int64_t hidden = 4096;
  int64_t intermediate = 11008;  // 0: 4 * hidden
  int64_t layers = 32;
  int64_t heads = 32;
  int64_t key_value_heads = 0;  // 0: as many as heads
  int64_t head_width = 0;       // 0: hidden / heads
  int64_t positions = 2048;
  NormKind norm = NormKind::kRms;
  double norm_eps = 1e-6;
  absl::string_view activation = "silu";
  double standard_deviation = 0.02;
  bool tied = false;
  // Whether the look-up passes over pad_token_id's row, and the class' id.
  bool pads = true;
  int64_t padding_idx = -1;  // -1: none
  bool has_rotary = true;
  RotaryDefaults rotary;
  DropoutKey attention_dropout = {"attention_dropout"};
  DropoutKey residual_dropout;
  DropoutKey embedding_dropout;
  // A key that Transformers has and does not use either.
  absl::string_view unused_dropout;
};

struct DecoderSizes {
  InputShape input;
  int64_t vocabulary = 0;
  int64_t hidden = 0;
  int64_t embedding_width = 0;  // hidden, but for opt
  int64_t intermediate = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t key_value_heads = 0;
  int64_t head_width = 0;
  int64_t positions = 0;
  int64_t padding_idx = -1;  // -1: none
  NormKind norm = NormKind::kRms;
  double norm_eps = 0;
  double standard_deviation = 0;
  std::string activation;  // as operation.h spells it
  bool tied = false;
  RotaryConfig rotary;
  // Probabilities, of the attention's softmax, of what a branch adds to the
  // residual stream, of the embeddings.
  double attention_dropout = 0;
  double residual_dropout = 0;
  double embedding_dropout = 0;
};

// Reads the common keys; mistakes are in config.status(). Keys without effect
// and sequences beyond max_position_embeddings become warnings.
DecoderSizes ReadDecoderSizes(ConfigReader& config, const InputShape& input,
                              const DecoderDefaults& defaults,
                              std::vector<v1::Diagnostic>* warnings);

// The key that the file uses: `own`, or `usual` if only that is there.
absl::string_view KeyInUse(const ConfigReader& config, absl::string_view own,
                           absl::string_view usual);

// An activation's name in config.json as operation.h spells it.
std::string ReadActivation(ConfigReader& config, absl::string_view key,
                           absl::string_view fallback);

// A table of positions has to hold the sequence: else a finding.
void NeedPositions(ConfigReader& config, const DecoderSizes& sizes,
                   absl::string_view key);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_DECODER_SIZES_H_
