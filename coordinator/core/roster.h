// roster.h -- workers: who is here, who has fallen silent, who came back.
//
// Only the coordinator's clock decides who is late. A worker that was lost
// registers again and starts without ranks; its old trainers are no part of
// its assignment, so its agent ends them.
#ifndef AUTOTP_COORDINATOR_CORE_ROSTER_H_
#define AUTOTP_COORDINATOR_CORE_ROSTER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/cluster_service.pb.h"
#include "autotp/v1/worker_service.pb.h"
#include "coordinator/core/admission.h"
#include "coordinator/core/attempts.h"

namespace autotp::core {

// Registering again is safe. Another incarnation takes the name over, and
// what the old one ran is lost at once.
//   INVALID_ARGUMENT     what the worker says of itself cannot be used
//   FAILED_PRECONDITION  another cluster, or a process that was replaced
//   UNAVAILABLE          this coordinator is older than the worker's
//   RESOURCE_EXHAUSTED   too many workers
absl::StatusOr<v1::RegisterWorkerResponse> RegisterWorker(
    Change change, const v1::RegisterWorkerRequest& request);

void Heard(Change change, Worker& worker);  // extends its lease
void LoseWorker(Change change, Worker& worker, const std::string& why);
void ExpireLeases(Change change);

// Free slots of the workers that may get ranks now, by name.
std::vector<Offer> FreeSlots(const State& state, absl::Time now);
// The same with every slot free: what an empty cluster would offer.
std::vector<Offer> AllSlots(const State& state, absl::Time now);

v1::Worker ShowWorker(const State& state, const Worker& worker, absl::Time now);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_ROSTER_H_
