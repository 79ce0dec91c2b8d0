// collective_uses.h -- the collectives of the ranks' programs, in program
// order.
#ifndef AUTOTP_COORDINATOR_PARTITION_COLLECTIVE_USES_H_
#define AUTOTP_COORDINATOR_PARTITION_COLLECTIVE_USES_H_

#include <vector>

#include "coordinator/partition/partition.h"
#include "coordinator/partition/spmd_program.h"

namespace autotp::partition {

// What the backward mirrors stands beside its forward.
std::vector<CollectiveUse> CollectiveUses(const SpmdProgram& spmd);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_COLLECTIVE_USES_H_
