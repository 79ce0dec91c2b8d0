// gradient_modes.h -- makes every gradient of the local programs right: copies
// where whole values enter cut computation, and parameters whose gradients
// the ranks sum.
//
// Flow: propagate.h -> PlaceCopies -> lower.h.
//
// A cut operation gives its whole inputs a *local* gradient: each rank's own
// share, whose sum over the ranks is the gradient. The uses of a whole value
// must agree: all local, or all whole; where they don't, the local ones use a
// copy (identity forward, sum of the gradients backward), one per value,
// placed where the value is made; a gather whose uses are all local sums and
// cuts the gradient itself. Operations between whole values may run in
// either mode, since a backward is linear in the gradient that enters it: one
// runs local where that saves a copy of its result and costs none of its
// inputs. So replicated keys and values and norms on local heads have local
// gradients, which are summed once per optimizer step: partial_gradient.
#ifndef AUTOTP_COORDINATOR_PARTITION_GRADIENT_MODES_H_
#define AUTOTP_COORDINATOR_PARTITION_GRADIENT_MODES_H_

#include "coordinator/partition/spmd_program.h"

namespace autotp::partition {

// Adds the copies and marks the parameters.
void PlaceCopies(SpmdProgram* spmd);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_GRADIENT_MODES_H_
