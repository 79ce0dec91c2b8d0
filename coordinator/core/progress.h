// progress.h -- finished steps, as people want to see them. Never stored.
#ifndef AUTOTP_COORDINATOR_CORE_PROGRESS_H_
#define AUTOTP_COORDINATOR_CORE_PROGRESS_H_

#include "autotp/v1/worker_service.pb.h"
#include "coordinator/core/attempts.h"

namespace autotp::core {

// Steps already seen are skipped.
void AddProgress(Change change, Job& job,
                 const v1::ReportProgressRequest& request);

// The newest step's loss is at most what the user aims at: training is over.
bool HasReachedTarget(const Job& job);

// The step after the newest one may be followed by an evaluation, which its
// report waits for.
bool MayBeEvaluating(const Job& job);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_PROGRESS_H_
