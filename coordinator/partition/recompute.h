// recompute.h -- which nodes of a local program are run again in the backward.
//
// Flow: Partition() -> AssignRecomputation() on each local program -> Node::
// recompute_region; what follows from a region: proto/support/node_schedule.h.
//
// Block: a region for each numbered module of a scope ("model.layers.3"): of
// its activations only those that enter it are kept. Selective: a value is
// dropped that costs few FLOPs to make again from what its operation keeps
// anyway, and that nobody keeps but linears, which can keep it a second time
// without multiplying: norms, activations and gates. Attention's scores never
// exist as a whole, so there is nothing of them to drop.
//
// No exchange between ranks is repeated: an operation that communicates in its
// forward is in no region, so its result is kept. The backward runs the same
// collectives in the same order as without recomputation.
//
// Pure.
#ifndef AUTOTP_COORDINATOR_PARTITION_RECOMPUTE_H_
#define AUTOTP_COORDINATOR_PARTITION_RECOMPUTE_H_

#include "autotp/v1/training.pb.h"
#include "coordinator/program/program.h"

namespace autotp::partition {

// Sets the region of every node; with none or unspecified, to 0.
void AssignRecomputation(v1::Recomputation recomputation,
                         program::Program* local);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_RECOMPUTE_H_
