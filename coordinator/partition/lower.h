// lower.h -- one local program per rank out of the program of all ranks.
#ifndef AUTOTP_COORDINATOR_PARTITION_LOWER_H_
#define AUTOTP_COORDINATOR_PARTITION_LOWER_H_

#include "coordinator/partition/spmd_program.h"

namespace autotp::partition {

program::Program LowerForRank(const program::Program& program,
                              const SpmdProgram& spmd, int rank);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_LOWER_H_
