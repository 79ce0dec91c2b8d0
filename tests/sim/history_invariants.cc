#include <string>

#include "absl/strings/str_cat.h"
#include "coordinator/core/job_state.h"
#include "proto/support/status_macros.h"
#include "tests/sim/invariants.h"

namespace autotp::sim {
namespace {

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat(parts...));
}

}  // namespace

// A worker's message that changed something spoke in the present, as it was
// before the message.
absl::Status Invariants::CheckFence(const core::Effects& effects,
                                    const v1::Fence& fence) const {
  if (effects.writes.empty() && effects.keys.empty() &&
      effects.workers.empty()) {
    return absl::OkStatus();
  }
  const auto worker = workers_.find(fence.worker());
  if (fence.cluster_uid() != cluster_uid_ ||
      fence.coordinator_epoch() != epoch_ || worker == workers_.end() ||
      !worker->second.ready ||
      worker->second.incarnation != fence.incarnation()) {
    return Broken("a stale process changed the state: ",
                  fence.ShortDebugString());
  }
  if (fence.job().empty()) return absl::OkStatus();
  const auto job = jobs_.find(fence.job());
  if (job == jobs_.end() || !core::IsActive(job->second.state) ||
      job->second.attempt != fence.attempt() ||
      job->second.group_epoch != fence.group_epoch()) {
    return Broken("a stale attempt changed the state: ",
                  fence.ShortDebugString());
  }
  return absl::OkStatus();
}

absl::Status Invariants::CheckGrowth(const Seen& seen, const core::Job& job) {
  const v1::JobStatus& status = job.status();
  if (core::IsTerminal(seen.state) &&
      (job.state() != seen.state ||
       job.record.last_event() != seen.last_event ||
       status.attempt() != seen.attempt)) {
    return Broken(job.name(), " was ", core::StateName(seen.state),
                  " and moved on to ", core::StateName(job.state()));
  }
  if (status.attempt() < seen.attempt ||
      status.group_epoch() < seen.group_epoch) {
    return Broken(job.name(), " went back from attempt ", seen.attempt,
                  ", group epoch ", seen.group_epoch, " to ", status.attempt(),
                  ", ", status.group_epoch());
  }
  if (status.attempt() > seen.attempt &&
      status.group_epoch() == seen.group_epoch) {
    return Broken(job.name(), " forms new groups in an old group epoch");
  }
  if (job.record.committed_step() < seen.committed_step) {
    return Broken(job.name(), " lost the commit of step ", seen.committed_step);
  }
  if (job.record.restarts() < seen.restarts ||
      job.record.last_event() < seen.last_event) {
    return Broken(job.name(), " forgot its history");
  }
  if (job.record.request_id() != seen.request_id) {
    return Broken(job.name(), " belongs to another request now");
  }
  return absl::OkStatus();
}

absl::Status Invariants::CheckCommits(const Seen& seen, const core::Job& job,
                                      const v1::Fence* fence) {
  for (const auto& [key, record] : job.checkpoints) {
    const auto state = record.checkpoint().state();
    const auto was = seen.checkpoints.find(key);
    const bool known = was != seen.checkpoints.end();
    if (known && was->second != v1::Checkpoint::STATE_WRITING &&
        was->second != state) {
      return Broken(record.checkpoint().name(),
                    " was decided and is not what it was");
    }
    if (state != v1::Checkpoint::STATE_COMMITTED ||
        (known && was->second == state)) {
      continue;
    }
    if (fence == nullptr || fence->job() != job.name() ||
        key.attempt != fence->attempt() ||
        key.group_epoch != fence->group_epoch() ||
        key.attempt != seen.attempt || key.group_epoch != seen.group_epoch) {
      return Broken(record.checkpoint().name(), " of attempt ", key.attempt,
                    " was committed in attempt ", seen.attempt);
    }
    if (key.step <= seen.committed_step) {
      return Broken(record.checkpoint().name(), " was committed behind step ",
                    seen.committed_step);
    }
  }
  // Old ones go only when the user wants few kept, and never the newest.
  for (const auto& [key, state] : seen.checkpoints) {
    if (state == v1::Checkpoint::STATE_COMMITTED &&
        !job.checkpoints.contains(key) &&
        (job.spec().checkpoint().keep_latest() == 0 ||
         key.step >= job.record.committed_step())) {
      return Broken(job.name(), " lost the checkpoint of step ", key.step);
    }
  }
  return absl::OkStatus();
}

void Invariants::Remember(const core::State& state) {
  epoch_ = state.epoch;
  cluster_uid_ = state.cluster_uid;
  for (const auto& [name, job] : state.jobs) {
    Seen& seen = jobs_[name];
    seen.state = job.state();
    seen.request_id = job.record.request_id();
    seen.attempt = job.status().attempt();
    seen.group_epoch = job.status().group_epoch();
    seen.committed_step = job.record.committed_step();
    seen.last_event = job.record.last_event();
    seen.restarts = job.record.restarts();
    seen.checkpoints.clear();
    for (const auto& [key, record] : job.checkpoints) {
      seen.checkpoints[key] = record.checkpoint().state();
    }
  }
  workers_.clear();
  for (const auto& [name, worker] : state.workers) {
    workers_[name] = {worker.incarnation,
                      worker.state == core::Worker::State::kReady};
  }
}

absl::Status Invariants::Check(const core::State& state,
                               const core::Effects& effects,
                               const v1::Fence* fence) {
  AUTOTP_RETURN_IF_ERROR(CheckState(state));
  AUTOTP_RETURN_IF_ERROR(CheckRemovals(state, effects));
  if (state.epoch < epoch_) return Broken("the coordinator's epoch went back");
  if (fence != nullptr) AUTOTP_RETURN_IF_ERROR(CheckFence(effects, *fence));
  for (const auto& [name, seen] : jobs_) {
    const auto job = state.jobs.find(name);
    if (job == state.jobs.end()) return Broken(name, " is gone");
    AUTOTP_RETURN_IF_ERROR(CheckGrowth(seen, job->second));
    AUTOTP_RETURN_IF_ERROR(CheckCommits(seen, job->second, fence));
  }
  Remember(state);
  return absl::OkStatus();
}

}  // namespace autotp::sim
