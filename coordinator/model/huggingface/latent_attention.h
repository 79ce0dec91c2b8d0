// latent_attention.h -- attention whose queries, keys and values come from
// narrow latents (DeepSeek's MLA).
//
// Queries: x -> q_a -> norm -> q_b, or q_proj where there is no latent. Keys
// and values: x -> kv_a -> [latent | rotated key]; the latent -> norm -> kv_b
// gives every head its own part of the key and its value, the rotated key is
// one for all heads. Queries and keys are wider than values.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_LATENT_ATTENTION_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_LATENT_ATTENTION_H_

#include <cstdint>

#include "coordinator/model/huggingface/config_reader.h"
#include "coordinator/model/huggingface/decoder.h"

namespace autotp::model {

struct LatentConfig {
  int64_t query_rank = 0;  // 0: no latent of queries
  int64_t key_value_rank = 0;
  int64_t plain_width = 0;  // of a query and a key, not rotated
  int64_t rotary_width = 0;
  int64_t value_width = 0;
  bool interleaved = true;  // neighbours are a pair that is rotated
  bool bias = false;
  double score_scale = 1;
};

// `sizes` gets the rotary width as its head width.
LatentConfig ReadLatent(ConfigReader& config, DecoderSizes* sizes);

// x[B,T,C] -> [B,T,C], in `module`.
program::ValueId LatentAttention(Decoder& decoder, absl::string_view module,
                                 program::ValueId x,
                                 const LatentConfig& latent);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_LATENT_ATTENTION_H_
