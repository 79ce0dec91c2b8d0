// heads.h -- queries, keys and values as an attention of ours takes them.
#ifndef AUTOTP_COORDINATOR_MODEL_EXPORTED_HEADS_H_
#define AUTOTP_COORDINATOR_MODEL_EXPORTED_HEADS_H_

#include "coordinator/model/exported/rewriter.h"

namespace autotp::model {

// Key or value heads without their repetition for query heads: that of dim 1
// of [B,H,T,D], or dim 2 of [B,T,H,D] before they were moved and turned.
program::ValueId WithoutRepeats(Rewriter& to, program::ValueId v);

// q of q * factor; the scale of its scores is as much larger.
program::ValueId Unscaled(Rewriter& to, program::ValueId q, double* scale);

// [A,B,..] of [A * B,..], as it was before the two were one; else kNoValue.
program::ValueId WithBatch(const Rewriter& to, program::ValueId v);

// The table [H,S] of linear biases behind `v`, which repeats it over what
// comes before its heads; kNoValue: there is none. `v` is [B * H,1,S] or
// broadcasts to [B,H,T,S].
program::ValueId AlibiOf(const Rewriter& to, program::ValueId v);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_EXPORTED_HEADS_H_
