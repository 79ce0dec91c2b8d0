// fence.h -- is this worker speaking in the present?
//
// Every worker RPC passes one of these checks before it changes anything. A
// stale sender gets ABORTED and stops writing; only what is current in every
// part may act. Pure.
#ifndef AUTOTP_COORDINATOR_CORE_FENCE_H_
#define AUTOTP_COORDINATOR_CORE_FENCE_H_

#include "absl/status/statusor.h"
#include "autotp/v1/common.pb.h"
#include "coordinator/core/state.h"

namespace autotp::core {

// The worker process: cluster, epoch, name, incarnation, lease.
//   ABORTED  stale; the worker registers again
absl::StatusOr<Worker*> CheckWorker(State& state, const v1::Fence& fence);
absl::StatusOr<const Worker*> CheckWorker(const State& state,
                                          const v1::Fence& fence);

// Also the job, attempt and group epoch, which must have ranks now.
//   ABORTED  stale; the trainers of that era end
absl::StatusOr<Job*> CheckAttempt(State& state, const v1::Fence& fence);
absl::StatusOr<const Job*> CheckAttempt(const State& state,
                                        const v1::Fence& fence);

// Also that the rank is the worker's.
//   ABORTED  stale, or another worker's rank
absl::StatusOr<Job*> CheckRank(State& state, const v1::Fence& fence, int rank);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_FENCE_H_
