// describe.h -- the outcome of a partition in words: classes by the names
// people use, and the reason of every decision.
#ifndef AUTOTP_COORDINATOR_PARTITION_DESCRIBE_H_
#define AUTOTP_COORDINATOR_PARTITION_DESCRIBE_H_

#include "coordinator/partition/choice.h"
#include "coordinator/partition/spmd_program.h"

namespace autotp::partition {

// Fills in classes, parameters and collectives. Groups that agree in all that
// is said about them (those of identical layers) make one class.
void Describe(const program::Program& program, const Axes& axes,
              const CutGroups& cut_groups, const Choice& choice,
              const SpmdProgram& spmd, Partitioned* result);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_DESCRIBE_H_
