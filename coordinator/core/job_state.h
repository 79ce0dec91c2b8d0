// job_state.h -- the states of a job and the moves between them.
//
//   QUEUED -> STARTING -> RUNNING -> SUCCEEDED
//     |        |  ^          |
//     |        v  |          v
//     |     RECOVERING <-----+--> CANCELLING -> CANCELLED
//     |        |             |
//     +--> CANCELLED         +--> FAILED
//
// Pure.
#ifndef AUTOTP_COORDINATOR_CORE_JOB_STATE_H_
#define AUTOTP_COORDINATOR_CORE_JOB_STATE_H_

#include <string>

#include "autotp/v1/job.pb.h"

namespace autotp::core {

bool IsTerminal(v1::JobState state);
// Ranks are held: STARTING, RUNNING, CANCELLING.
bool IsActive(v1::JobState state);
// Waits for a gang of slots: QUEUED, RECOVERING.
bool IsWaiting(v1::JobState state);
bool MayMove(v1::JobState from, v1::JobState to);
std::string StateName(v1::JobState state);  // "RUNNING"

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_JOB_STATE_H_
