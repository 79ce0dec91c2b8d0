// propagate.h -- carries the cuts of the parameters through the program.
//
// Flow: choice.h -> Propagate -> gradient_modes.h.
//
// One pass in program order. An operation with a cut input runs cut along
// that label (placement_rules.h): whole inputs are taken in slices, inputs
// that are cut otherwise are gathered. A label that is summed away leaves a
// partial sum, which survives additions and scalings and is all-reduced where
// its value is first needed.
#ifndef AUTOTP_COORDINATOR_PARTITION_PROPAGATE_H_
#define AUTOTP_COORDINATOR_PARTITION_PROPAGATE_H_

#include "coordinator/partition/axes.h"
#include "coordinator/partition/choice.h"
#include "coordinator/partition/spmd_program.h"

namespace autotp::partition {

// Without copies: whole values enter cut computation as they are.
SpmdProgram Propagate(const program::Program& program, const Axes& axes,
                      const Choice& choice, int ranks);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_PROPAGATE_H_
