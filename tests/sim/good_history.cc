#include "tests/sim/good_history.h"

#include <memory>

namespace autotp::sim {
namespace {

using core::CheckpointKey;
using core::Job;
using core::State;
using core::Worker;

Job MakeJob(const std::string& id, v1::JobState state) {
  Job job;
  v1::Job& shown = *job.record.mutable_job();
  shown.set_name("jobs/" + id);
  shown.mutable_spec()->set_world_size(2);
  shown.mutable_spec()->set_max_restarts(3);
  job.status().set_state(state);
  job.status().set_state_message("because");
  job.record.set_request_id("request-" + id);
  auto plan = std::make_shared<v1::PlannedJob>();
  plan->mutable_plan()->set_tensor_parallel_size(2);
  job.plan = plan;
  return job;
}

}  // namespace

void AddCheckpoint(Job& job, const CheckpointKey& key,
                   v1::Checkpoint::State state) {
  v1::CheckpointRecord& record = job.checkpoints[key];
  v1::Checkpoint& checkpoint = *record.mutable_checkpoint();
  checkpoint.set_name("jobs/a/checkpoints/" + std::to_string(key.step));
  checkpoint.set_path("/out/" + std::to_string(key.step));
  checkpoint.set_state(state);
  checkpoint.set_step(key.step);
  checkpoint.set_attempt(key.attempt);
  checkpoint.set_group_epoch(key.group_epoch);
  for (int rank = 0; rank < 2; ++rank) record.add_parts()->set_rank(rank);
}

State GoodState() {
  State state;
  state.cluster_uid = "c1";
  state.epoch = 3;
  for (const char* name : {"w0", "w1"}) {
    Worker& worker = state.workers[name];
    worker.name = name;
    worker.state = Worker::State::kReady;
    worker.incarnation = "i1";
    worker.slots = 2;
  }
  Job job = MakeJob("a", v1::JOB_STATE_RUNNING);
  job.status().set_attempt(2);
  job.status().set_group_epoch(2);
  job.record.set_restarts(1);
  job.record.set_committed_step(10);
  job.record.set_last_event(7);
  for (int slot = 0; slot < 2; ++slot) {
    v1::RankRecord& rank = *job.record.add_ranks();
    rank.set_worker("w0");
    rank.set_incarnation("i1");
    rank.set_slot(slot);
    rank.set_state(v1::RankRecord::STATE_READY);
  }
  AddCheckpoint(job, kCommitted, v1::Checkpoint::STATE_COMMITTED);
  AddCheckpoint(job, kWriting, v1::Checkpoint::STATE_WRITING);
  state.jobs["jobs/a"] = job;
  state.jobs["jobs/b"] = MakeJob("b", v1::JOB_STATE_QUEUED);
  state.jobs["jobs/c"] = MakeJob("c", v1::JOB_STATE_FAILED);
  for (const char* id : {"a", "b", "c"}) {
    state.requests[std::string("request-") + id] = std::string("jobs/") + id;
  }
  return state;
}

v1::Fence GoodFence() {
  v1::Fence fence;
  fence.set_cluster_uid("c1");
  fence.set_coordinator_epoch(3);
  fence.set_worker("w0");
  fence.set_incarnation("i1");
  fence.set_job("jobs/a");
  fence.set_attempt(2);
  fence.set_group_epoch(2);
  return fence;
}

void Commit(Job& job) {
  job.checkpoints.at(kWriting).mutable_checkpoint()->set_state(
      v1::Checkpoint::STATE_COMMITTED);
  job.record.set_committed_step(20);
}

absl::Status CheckNext(const std::function<void(Next&)>& change) {
  Invariants invariants;
  const absl::Status before = invariants.Check(GoodState(), {}, nullptr);
  if (!before.ok()) return before;
  Next next;
  next.effects.writes.push_back({core::Table::kJobs, "jobs/a", ""});
  change(next);
  return invariants.Check(next.state, next.effects, &next.fence);
}

}  // namespace autotp::sim
