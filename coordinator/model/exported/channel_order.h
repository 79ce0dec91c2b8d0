// channel_order.h -- channels of heads with the even ones first, as some
// families turn them: attention does not see an order that its queries share
// with its keys.
#ifndef AUTOTP_COORDINATOR_MODEL_EXPORTED_CHANNEL_ORDER_H_
#define AUTOTP_COORDINATOR_MODEL_EXPORTED_CHANNEL_ORDER_H_

#include "coordinator/model/exported/rewriter.h"

namespace autotp::model {

// Channels (the last dimension) 0, 2, 4, .., 1, 3, ... of x.
program::ValueId EvenThenOdd(Rewriter& to, program::ValueId x);

// Queries and keys as they were before the same channels of both, all or the
// last ones, were put into that order; else as they are.
void DropChannelOrder(Rewriter& to, program::ValueId* queries,
                      program::ValueId* keys);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_EXPORTED_CHANNEL_ORDER_H_
