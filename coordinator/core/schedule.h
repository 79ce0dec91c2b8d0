// schedule.h -- who of the waiting jobs starts now, and what time has run out.
#ifndef AUTOTP_COORDINATOR_CORE_SCHEDULE_H_
#define AUTOTP_COORDINATOR_CORE_SCHEDULE_H_

#include "coordinator/core/attempts.h"

namespace autotp::core {

// Starts every waiting job that may start: recovering ones first, then by
// age. A job holds back the younger ones as long as the workers here could
// ever hold it; each that waits says why.
void Schedule(Change change);

// Leases, starts that take too long, stops that are not obeyed, failures
// waited on, jobs that make no progress.
void PassTime(Change change);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_SCHEDULE_H_
