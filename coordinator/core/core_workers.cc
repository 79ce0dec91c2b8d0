#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/core/attempts.h"
#include "coordinator/core/checkpoints.h"
#include "coordinator/core/core.h"
#include "coordinator/core/fence.h"
#include "coordinator/core/job_state.h"
#include "coordinator/core/ledger.h"
#include "coordinator/core/progress.h"
#include "coordinator/core/rendezvous.h"
#include "coordinator/core/roster.h"
#include "coordinator/core/schedule.h"
#include "proto/support/status_macros.h"

namespace autotp::core {
namespace {

using Report = v1::ReportTrainerRequest;

v1::RankRecord::State RankStateOf(Report::State state) {
  switch (state) {
    case Report::STATE_READY:
      return v1::RankRecord::STATE_READY;
    case Report::STATE_FINISHED:
      return v1::RankRecord::STATE_FINISHED;
    case Report::STATE_STOPPED:
      return v1::RankRecord::STATE_STOPPED;
    case Report::STATE_FAILED:
      return v1::RankRecord::STATE_FAILED;
    default:
      return v1::RankRecord::STATE_UNSPECIFIED;
  }
}

v1::Failure FailureOf(const Report& report) {
  v1::Failure failure = report.failure();
  failure.set_worker(report.fence().worker());
  failure.set_rank(report.rank());
  if (failure.reason() == v1::FAILURE_REASON_UNSPECIFIED) {
    failure.set_reason(v1::FAILURE_REASON_TRAINER_EXITED);
  }
  if (report.state() == Report::STATE_STOPPED && failure.message().empty()) {
    failure.set_message("stopped without an order");
  }
  return failure;
}

// A broken collective is mostly the echo of another rank's end.
void OnFailure(Change change, Job& job, v1::Failure failure) {
  const bool echo = failure.reason() == v1::FAILURE_REASON_COLLECTIVE;
  if (!echo || job.record.ranks_size() == 1 ||
      job.state() == v1::JOB_STATE_CANCELLING) {
    FailAttempt(change, job, std::move(failure));
    return;
  }
  if (job.record.has_pending_failure()) return;
  *job.record.mutable_pending_failure() = std::move(failure);
  job.blame_deadline = change.now + change.state.policy.blame_grace;
  SaveJob(job, change.now, change.effects);
}

}  // namespace

absl::StatusOr<v1::RegisterWorkerResponse> Core::Apply(
    absl::Time now, const v1::RegisterWorkerRequest& request,
    Effects& effects) {
  Change change{state_, now, effects};
  auto response = RegisterWorker(change, request);
  if (response.ok()) Schedule(change);
  return response;
}

absl::StatusOr<v1::HeartbeatResponse> Core::Apply(
    absl::Time now, const v1::HeartbeatRequest& request, Effects& effects) {
  AUTOTP_ASSIGN_OR_RETURN(Worker * worker,
                          CheckWorker(state_, request.fence()));
  Change change{state_, now, effects};
  Heard(change, *worker);
  v1::HeartbeatResponse response;
  response.set_coordinator_epoch(state_.epoch);
  response.set_assignment_generation(worker->generation);
  return response;
}

absl::StatusOr<v1::DeregisterWorkerResponse> Core::Apply(
    absl::Time now, const v1::DeregisterWorkerRequest& request,
    Effects& effects) {
  AUTOTP_ASSIGN_OR_RETURN(Worker * worker,
                          CheckWorker(state_, request.fence()));
  Change change{state_, now, effects};
  LoseWorker(change, *worker, "has left");
  state_.workers.erase(request.fence().worker());
  Schedule(change);
  return v1::DeregisterWorkerResponse();
}

absl::StatusOr<v1::ReportProgressResponse> Core::Apply(
    absl::Time now, const v1::ReportProgressRequest& request,
    Effects& effects) {
  AUTOTP_ASSIGN_OR_RETURN(Job * job,
                          CheckRank(state_, request.fence(), request.rank()));
  AddProgress({state_, now, effects}, *job, request);
  return v1::ReportProgressResponse();
}

absl::StatusOr<v1::ReportTrainerResponse> Core::Apply(
    absl::Time now, const v1::ReportTrainerRequest& request, Effects& effects) {
  AUTOTP_RETURN_IF_ERROR(CheckWorker(state_, request.fence()).status());
  const v1::RankRecord::State to = RankStateOf(request.state());
  if (to == v1::RankRecord::STATE_UNSPECIFIED) {
    return absl::InvalidArgumentError("state: unspecified");
  }
  // The attempt is over: the report comes late or again and changes nothing.
  const auto known = state_.jobs.find(request.fence().job());
  if (known != state_.jobs.end() && !IsActive(known->second.state()) &&
      known->second.status().attempt() == request.fence().attempt()) {
    return v1::ReportTrainerResponse();
  }
  AUTOTP_ASSIGN_OR_RETURN(Job * job,
                          CheckRank(state_, request.fence(), request.rank()));
  v1::RankRecord& rank = *job->record.mutable_ranks(request.rank());
  // Said again, or how a rank's process ended after its rank was done.
  if (to <= rank.state() || rank.state() >= v1::RankRecord::STATE_FINISHED) {
    return v1::ReportTrainerResponse();
  }
  Change change{state_, now, effects};
  rank.set_state(to);
  rank.set_model_path(request.model_path());
  SaveJob(*job, now, effects);
  Touch(change, request.fence().worker());
  const bool asked_to_stop = job->state() == v1::JOB_STATE_CANCELLING;
  if (to == v1::RankRecord::STATE_FAILED && !job->record.stop_now()) {
    OnFailure(change, *job, FailureOf(request));
  } else if (to == v1::RankRecord::STATE_STOPPED && !asked_to_stop) {
    OnFailure(change, *job, FailureOf(request));
  } else {
    SettleRanks(change, *job);
  }
  Schedule(change);
  return v1::ReportTrainerResponse();
}

absl::StatusOr<v1::BeginCheckpointResponse> Core::Apply(
    absl::Time now, const v1::BeginCheckpointRequest& request,
    Effects& effects) {
  AUTOTP_ASSIGN_OR_RETURN(Job * job, CheckAttempt(state_, request.fence()));
  return BeginCheckpoint({state_, now, effects}, *job, request);
}

absl::StatusOr<v1::ReportPartResponse> Core::Apply(
    absl::Time now, const v1::ReportPartRequest& request, Effects& effects) {
  AUTOTP_ASSIGN_OR_RETURN(Job * job,
                          CheckRank(state_, request.fence(), request.rank()));
  return ReportPart({state_, now, effects}, *job, request);
}

absl::StatusOr<v1::CommitCheckpointResponse> Core::Apply(
    absl::Time now, const v1::CommitCheckpointRequest& request,
    Effects& effects) {
  AUTOTP_ASSIGN_OR_RETURN(Job * job, CheckAttempt(state_, request.fence()));
  AUTOTP_RETURN_IF_ERROR(
      CommitCheckpoint({state_, now, effects}, *job, request));
  return v1::CommitCheckpointResponse();
}

absl::StatusOr<v1::SetKeyResponse> Core::Apply(absl::Time now,
                                               const v1::SetKeyRequest& request,
                                               Effects& effects) {
  AUTOTP_ASSIGN_OR_RETURN(Job * job, CheckAttempt(state_, request.fence()));
  AUTOTP_RETURN_IF_ERROR(
      SetKey({state_, now, effects}, *job, request.key(), request.value()));
  return v1::SetKeyResponse();
}

void Core::Apply(absl::Time now, const Tick&, Effects& effects) {
  Change change{state_, now, effects};
  PassTime(change);
  Schedule(change);
}

}  // namespace autotp::core
