// gpt2_keys.h -- how GPT-2's config.json names sizes, and of those after it.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_GPT2_KEYS_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_GPT2_KEYS_H_

#include "coordinator/model/huggingface/decoder_sizes.h"

namespace autotp::model {

inline constexpr DecoderKeys kGpt2Keys = {.hidden = "n_embd",
                                          .intermediate = "n_inner",
                                          .layers = "n_layer",
                                          .heads = "n_head",
                                          .key_value_heads = "",
                                          .positions = "n_positions",
                                          .norm_eps = "layer_norm_epsilon",
                                          .activation = "activation_function"};

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_GPT2_KEYS_H_
