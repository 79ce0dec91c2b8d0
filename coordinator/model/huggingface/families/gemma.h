// gemma.h -- what the Gemma models share.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_GEMMA_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_GEMMA_H_

#include "coordinator/model/huggingface/decoder.h"

namespace autotp::model {

// Of Gemma 2 and, but for a few, 3.
DecoderDefaults Gemma2Defaults();

// 1 / sqrt("query_pre_attn_scalar").
double ReadScoreScale(ConfigReader& config);

// A soft cap, 0: none. A null is none, an absent key `fallback`.
double ReadCap(ConfigReader& config, absl::string_view key, double fallback);

// Attention that looks ahead is a finding.
void RefuseBidirectional(ConfigReader& config);

// The look-up times sqrt(hidden), a factor in the weights' own precision.
program::ValueId ScaledEmbedding(Decoder& decoder);

// Each branch between two norms, then added.
program::ValueId SandwichBlock(Decoder& decoder, program::ValueId x,
                               const AttentionOptions& attention);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FAMILIES_GEMMA_H_
