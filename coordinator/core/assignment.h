// assignment.h -- what one worker is to be doing: whole, never a delta.
//
// Pure: built from the state each time it is asked for.
#ifndef AUTOTP_COORDINATOR_CORE_ASSIGNMENT_H_
#define AUTOTP_COORDINATOR_CORE_ASSIGNMENT_H_

#include <string>

#include "autotp/v1/assignment.pb.h"
#include "coordinator/core/state.h"

namespace autotp::core {

// The tasks of the worker's ranks that are not done yet, and the orders to
// the jobs that have such a rank.
v1::Assignment BuildAssignment(const State& state, const Worker& worker);

// Where a rank's log lies: below the job's output folder.
std::string LogPath(const Job& job, int attempt, int rank);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_ASSIGNMENT_H_
