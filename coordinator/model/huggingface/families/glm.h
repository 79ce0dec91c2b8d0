// glm.h -- what an absent key means in the configs of GLM models.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_GLM_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_GLM_H_

#include "coordinator/model/huggingface/decoder_sizes.h"

namespace autotp::model {

inline DecoderDefaults GlmDefaults() {
  return {.vocabulary = 151552,
          .intermediate = 13696,
          .layers = 40,
          .key_value_heads = 2,
          .head_width = 128,
          .positions = 131072,
          .norm_eps = 1.5625e-7,
          .padding_idx = 151329,
          .rotary = {.share = 0.5, .partial = true}};
}

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_GLM_H_
