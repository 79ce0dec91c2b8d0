#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/core/assignment.h"
#include "coordinator/core/core.h"
#include "coordinator/core/fence.h"
#include "coordinator/core/roster.h"
#include "proto/support/status_macros.h"

namespace autotp::core {
namespace {

constexpr int32_t kPageMax = 500;

v1::Job WithoutPlan(const Job& job) {
  v1::Job shown = job.record.job();
  // Tensor and data parallel size say what a list needs; all of it is in
  // GetJob.
  v1::Plan& plan = *shown.mutable_status()->mutable_plan();
  plan.set_tensor_parallel_size(job.shown_plan.tensor_parallel_size());
  plan.set_data_parallel_size(job.shown_plan.data_parallel_size());
  plan.set_world_size(job.shown_plan.world_size());
  plan.set_digest(job.shown_plan.digest());
  return shown;
}

}  // namespace

absl::StatusOr<v1::Job> Core::FindRequest(const v1::CreateJobRequest& request,
                                          const std::string& digest) const {
  const auto found = state_.requests.find(request.request_id());
  if (request.request_id().empty() || found == state_.requests.end()) {
    return absl::NotFoundError("a new request");
  }
  const Job& job = state_.jobs.at(found->second);
  if (job.record.request_digest() != digest) {
    return absl::AlreadyExistsError(
        absl::StrCat("request_id ", request.request_id(), " made ", job.name(),
                     " with another body"));
  }
  return ShowJob(job);
}

absl::StatusOr<const Job*> Core::FindJob(const std::string& name) const {
  auto found = state_.jobs.find(name);
  if (found == state_.jobs.end()) {
    found = state_.jobs.find(absl::StrCat("jobs/", name));
  }
  if (found == state_.jobs.end()) {
    return absl::NotFoundError(absl::StrCat("there is no job ", name));
  }
  return &found->second;
}

v1::Job Core::ShowJob(const Job& job) const {
  v1::Job shown = job.record.job();
  *shown.mutable_status()->mutable_plan() = job.shown_plan;
  return shown;
}

v1::ListJobsResponse Core::ListJobs(const v1::ListJobsRequest& request) const {
  const int32_t wanted = request.page_size() > 0
                             ? std::min(request.page_size(), kPageMax)
                             : kPageMax;
  v1::ListJobsResponse response;
  for (auto it = state_.jobs.upper_bound(request.page_token());
       it != state_.jobs.end(); ++it) {
    if (response.jobs_size() == wanted) {
      response.set_next_page_token(
          response.jobs(response.jobs_size() - 1).name());
      break;
    }
    *response.add_jobs() = WithoutPlan(it->second);
  }
  return response;
}

absl::StatusOr<v1::ListJobEventsResponse> Core::ListEvents(
    const v1::ListJobEventsRequest& request) const {
  AUTOTP_ASSIGN_OR_RETURN(const Job* job, FindJob(request.name()));
  v1::ListJobEventsResponse response;
  for (const v1::JobEvent& event : job->events) {
    if (event.sequence() > request.after_sequence()) {
      *response.add_events() = event;
    }
  }
  return response;
}

absl::StatusOr<v1::ListCheckpointsResponse> Core::ListCheckpoints(
    const v1::ListCheckpointsRequest& request) const {
  AUTOTP_ASSIGN_OR_RETURN(const Job* job, FindJob(request.job()));
  v1::ListCheckpointsResponse response;
  for (const auto& [key, record] : job->checkpoints) {
    if (record.checkpoint().state() != v1::Checkpoint::STATE_ABORTED) {
      *response.add_checkpoints() = record.checkpoint();
    }
  }
  return response;
}

v1::Cluster Core::ShowCluster(absl::Time now) const {
  v1::Cluster cluster;
  cluster.set_uid(state_.cluster_uid);
  cluster.set_coordinator_epoch(state_.epoch);
  for (const auto& [name, worker] : state_.workers) {
    const v1::Worker shown = ShowWorker(state_, worker, now);
    if (shown.state() != v1::Worker::STATE_READY) continue;
    cluster.set_workers_ready(cluster.workers_ready() + 1);
    cluster.set_slots_total(cluster.slots_total() + shown.slots_total());
    cluster.set_slots_free(cluster.slots_free() + shown.slots_free());
  }
  return cluster;
}

v1::ListWorkersResponse Core::ListWorkers(absl::Time now) const {
  v1::ListWorkersResponse response;
  for (const auto& [name, worker] : state_.workers) {
    *response.add_workers() = ShowWorker(state_, worker, now);
  }
  return response;
}

absl::StatusOr<std::optional<v1::Assignment>> Core::AssignmentAfter(
    const v1::Fence& fence, int64_t after_generation) const {
  AUTOTP_ASSIGN_OR_RETURN(const Worker* worker, CheckWorker(state_, fence));
  if (worker->generation <= after_generation) {
    return std::optional<v1::Assignment>();
  }
  return std::optional<v1::Assignment>(BuildAssignment(state_, *worker));
}

absl::StatusOr<std::optional<std::string>> Core::FindKey(
    const v1::GetKeyRequest& request) const {
  AUTOTP_ASSIGN_OR_RETURN(const Job* job,
                          CheckAttempt(state_, request.fence()));
  const auto found = job->keys.find(request.key());
  if (found == job->keys.end()) return std::optional<std::string>();
  return std::optional<std::string>(found->second);
}

}  // namespace autotp::core
