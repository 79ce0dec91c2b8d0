// choices.h -- what ATen writes of routers: scores, and the largest of them.
#ifndef AUTOTP_COORDINATOR_MODEL_EXPORTED_CHOICES_H_
#define AUTOTP_COORDINATOR_MODEL_EXPORTED_CHOICES_H_

#include <cstdint>

#include "coordinator/model/exported/rewriter.h"

namespace autotp::model {

// Is `dim` the last dimension of v?
bool IsLast(const Rewriter& to, program::ValueId v, int64_t dim);

// Tokens as they were before they were flattened into rows.
program::ValueId BeforeRows(const Rewriter& to, program::ValueId v);

// The K largest along the last dimension: the node of whose two outputs, the
// values and their places, v is the given one; else nullptr.
const program::Node* TopK(const Rewriter& to, program::ValueId v,
                          size_t output);

// What a softmax over the last dimension is of; else kNoValue.
program::ValueId SoftmaxOf(const Rewriter& to, program::ValueId v);

// What a sum over dimension `dim` (-1: the last) is of; else kNoValue.
program::ValueId SummedOver(const Rewriter& to, program::ValueId v, int64_t dim,
                            bool keeps);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_EXPORTED_CHOICES_H_
