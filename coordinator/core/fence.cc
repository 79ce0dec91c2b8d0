#include "coordinator/core/fence.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "coordinator/core/job_state.h"
#include "proto/support/status_macros.h"

namespace autotp::core {

absl::StatusOr<const Worker*> CheckWorker(const State& state,
                                          const v1::Fence& fence) {
  if (fence.cluster_uid() != state.cluster_uid) {
    return absl::AbortedError(absl::StrCat("WRONG_CLUSTER: this is cluster ",
                                           state.cluster_uid, ", not ",
                                           fence.cluster_uid()));
  }
  if (fence.coordinator_epoch() != state.epoch) {
    return absl::AbortedError(
        absl::StrCat("STALE_EPOCH: the coordinator's epoch is ", state.epoch,
                     ", not ", fence.coordinator_epoch(), "; register again"));
  }
  const auto found = state.workers.find(fence.worker());
  if (found == state.workers.end() ||
      found->second.state != Worker::State::kReady) {
    return absl::AbortedError(absl::StrCat(
        "WORKER_FENCED: worker ", fence.worker(), " is not registered"));
  }
  if (found->second.incarnation != fence.incarnation()) {
    return absl::AbortedError(absl::StrCat(
        "WORKER_FENCED: worker ", fence.worker(), " is another process now"));
  }
  return &found->second;
}

absl::StatusOr<const Job*> CheckAttempt(const State& state,
                                        const v1::Fence& fence) {
  AUTOTP_RETURN_IF_ERROR(CheckWorker(state, fence).status());
  const auto found = state.jobs.find(fence.job());
  if (found == state.jobs.end()) {
    return absl::AbortedError(
        absl::StrCat("STALE_ATTEMPT: there is no job ", fence.job()));
  }
  const Job& job = found->second;
  if (!IsActive(job.state())) {
    return absl::AbortedError(absl::StrCat("STALE_ATTEMPT: ", job.name(),
                                           " is ", StateName(job.state())));
  }
  if (fence.attempt() != job.status().attempt() ||
      fence.group_epoch() != job.status().group_epoch()) {
    return absl::AbortedError(absl::StrCat(
        "STALE_ATTEMPT: ", job.name(), " is at attempt ",
        job.status().attempt(), ", group epoch ", job.status().group_epoch(),
        ", not ", fence.attempt(), " and ", fence.group_epoch()));
  }
  return &job;
}

absl::StatusOr<Worker*> CheckWorker(State& state, const v1::Fence& fence) {
  AUTOTP_RETURN_IF_ERROR(
      CheckWorker(static_cast<const State&>(state), fence).status());
  return &state.workers.at(fence.worker());
}

absl::StatusOr<Job*> CheckAttempt(State& state, const v1::Fence& fence) {
  AUTOTP_RETURN_IF_ERROR(
      CheckAttempt(static_cast<const State&>(state), fence).status());
  return &state.jobs.at(fence.job());
}

absl::StatusOr<Job*> CheckRank(State& state, const v1::Fence& fence, int rank) {
  AUTOTP_ASSIGN_OR_RETURN(Job * job, CheckAttempt(state, fence));
  if (rank < 0 || rank >= job->record.ranks_size()) {
    return absl::AbortedError(
        absl::StrCat("rank: ", rank, " of ", job->record.ranks_size()));
  }
  if (job->record.ranks(rank).worker() != fence.worker()) {
    return absl::AbortedError(absl::StrCat(
        "WORKER_FENCED: rank ", rank, " of ", job->name(), " is on ",
        job->record.ranks(rank).worker(), ", not ", fence.worker()));
  }
  return job;
}

}  // namespace autotp::core
