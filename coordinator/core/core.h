// core.h -- the coordinator's state machine: (state, event, now) -> (state,
// effects).
//
// Flow: engine/ calls Apply() with what RPC handlers and the clock bring;
// each answers at once and appends to Effects what must be made durable, who
// must be woken, what can be removed. After every change waiting jobs are
// looked at again. Questions (const) change nothing.
//
// Reads no clock, takes no lock, does no I/O, draws no random number: a
// schedule of events replays exactly (tests/sim).
//
// Threading: one thread at a time; the engine's.
#ifndef AUTOTP_COORDINATOR_CORE_CORE_H_
#define AUTOTP_COORDINATOR_CORE_CORE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "autotp/v1/checkpoint_service.pb.h"
#include "autotp/v1/cluster_service.pb.h"
#include "autotp/v1/job_service.pb.h"
#include "autotp/v1/planned_job.pb.h"
#include "autotp/v1/rendezvous_service.pb.h"
#include "autotp/v1/worker_service.pb.h"
#include "coordinator/core/checkpoints.h"
#include "coordinator/core/effects.h"
#include "coordinator/core/ledger.h"
#include "coordinator/core/state.h"

namespace autotp::core {

// A valid job with all that was found out about it before it came here.
struct Submission {
  v1::CreateJobRequest request;
  std::string request_digest;  // of the request without its request_id
  std::string uid;             // fresh, hexadecimal, at least 8 digits
  std::shared_ptr<const v1::PlannedJob> plan;
  std::vector<FoundCheckpoint> found;  // under the output folder
};

struct Tick {};

class Core {
 public:
  explicit Core(State state) : state_(std::move(state)) {}

  // Jobs (core_jobs.cc). Names may leave "jobs/" out.
  //   ALREADY_EXISTS      job_id is taken, or request_id came with another body
  //   INVALID_ARGUMENT    job_id is no name
  //   RESOURCE_EXHAUSTED  too many jobs
  absl::StatusOr<v1::Job> Apply(absl::Time now, const Submission& submission,
                                Effects& effects);
  absl::StatusOr<v1::Job> Apply(absl::Time now,
                                const v1::CancelJobRequest& request,
                                Effects& effects);
  absl::StatusOr<v1::TriggerCheckpointResponse> Apply(
      absl::Time now, const v1::TriggerCheckpointRequest& request,
      Effects& effects);

  // Workers (core_workers.cc); errors as in worker_service.proto.
  absl::StatusOr<v1::RegisterWorkerResponse> Apply(
      absl::Time now, const v1::RegisterWorkerRequest& request,
      Effects& effects);
  absl::StatusOr<v1::HeartbeatResponse> Apply(
      absl::Time now, const v1::HeartbeatRequest& request, Effects& effects);
  absl::StatusOr<v1::DeregisterWorkerResponse> Apply(
      absl::Time now, const v1::DeregisterWorkerRequest& request,
      Effects& effects);
  absl::StatusOr<v1::ReportProgressResponse> Apply(
      absl::Time now, const v1::ReportProgressRequest& request,
      Effects& effects);
  absl::StatusOr<v1::ReportTrainerResponse> Apply(
      absl::Time now, const v1::ReportTrainerRequest& request,
      Effects& effects);
  absl::StatusOr<v1::BeginCheckpointResponse> Apply(
      absl::Time now, const v1::BeginCheckpointRequest& request,
      Effects& effects);
  absl::StatusOr<v1::ReportPartResponse> Apply(
      absl::Time now, const v1::ReportPartRequest& request, Effects& effects);
  absl::StatusOr<v1::CommitCheckpointResponse> Apply(
      absl::Time now, const v1::CommitCheckpointRequest& request,
      Effects& effects);
  absl::StatusOr<v1::SetKeyResponse> Apply(absl::Time now,
                                           const v1::SetKeyRequest& request,
                                           Effects& effects);
  void Apply(absl::Time now, const Tick& tick, Effects& effects);

  // Questions (core_questions.cc).
  // The job that this request made, if it was here before; NOT_FOUND if not.
  absl::StatusOr<v1::Job> FindRequest(const v1::CreateJobRequest& request,
                                      const std::string& digest) const;
  absl::StatusOr<const Job*> FindJob(const std::string& name) const;
  v1::Job ShowJob(const Job& job) const;  // with its plan
  v1::ListJobsResponse ListJobs(const v1::ListJobsRequest& request) const;
  absl::StatusOr<v1::ListJobEventsResponse> ListEvents(
      const v1::ListJobEventsRequest& request) const;
  absl::StatusOr<v1::ListCheckpointsResponse> ListCheckpoints(
      const v1::ListCheckpointsRequest& request) const;
  v1::Cluster ShowCluster(absl::Time now) const;
  v1::ListWorkersResponse ListWorkers(absl::Time now) const;
  // The worker's current assignment; none if it is not newer than
  // `after_generation`. ABORTED when the fence is stale.
  absl::StatusOr<std::optional<v1::Assignment>> AssignmentAfter(
      const v1::Fence& fence, int64_t after_generation) const;
  // None: not set yet. ABORTED when the fence is stale.
  absl::StatusOr<std::optional<std::string>> FindKey(
      const v1::GetKeyRequest& request) const;

  const State& state() const { return state_; }

 private:
  State state_;
};

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_CORE_H_
