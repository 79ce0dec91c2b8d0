#include "tests/unit/coordinator/core/cluster.h"

#include "absl/strings/str_cat.h"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"

namespace autotp::core {

Cluster::Cluster(const Policy& limits) : policy(limits) {
  const absl::Status started = Restart();
  AUTOTP_CHECK(started.ok(), started.ToString());
}

void Cluster::Store() {
  for (const Write& write : effects.writes) {
    if (write.value) {
      rows[{write.table, write.key}] = *write.value;
    } else {
      rows.erase({write.table, write.key});
    }
  }
}

absl::Status Cluster::Restart() {
  std::vector<Row> all;
  for (const auto& [key, value] : rows) {
    all.push_back({key.first, key.second, value});
  }
  AUTOTP_ASSIGN_OR_RETURN(State state,
                          LoadState({"c1", ++epoch_}, policy, all, now));
  core.emplace(std::move(state));
  return absl::OkStatus();
}

void Cluster::Pass(absl::Duration time) {
  const absl::Time end = now + time;
  while (now < end) {
    now += std::min(end - now, absl::Seconds(1));
    for (const auto& [name, worker] : core->state().workers) {
      if (worker.state != Worker::State::kReady || silent.contains(name)) {
        continue;
      }
      v1::HeartbeatRequest heartbeat;
      *heartbeat.mutable_fence() = FenceOf(name);
      AUTOTP_CHECK(Apply(heartbeat).ok());
    }
    Apply(Tick());
  }
}

absl::StatusOr<v1::RegisterWorkerResponse> Cluster::Register(
    const std::string& worker, int slots, const std::string& incarnation,
    const std::string& device) {
  v1::RegisterWorkerRequest request;
  request.mutable_fence()->set_worker(worker);
  request.mutable_fence()->set_incarnation(incarnation);
  request.set_device(device);
  request.set_slots(slots);
  return Apply(request);
}

Submission Cluster::MakeJob(const std::string& id, const JobOptions& options) {
  Submission job;
  job.request.set_job_id(id);
  job.request.set_request_id(options.request_id);
  v1::JobSpec& spec = *job.request.mutable_spec();
  spec.mutable_model()->set_path("/models/Tiny Llama");
  spec.mutable_run()->set_max_steps(100);
  spec.mutable_run()->set_output_path(absl::StrCat("/out/", id));
  spec.mutable_run()->set_target_loss(options.target_loss);
  if (options.evaluate_every >= 0) {
    spec.mutable_run()->mutable_evaluation()->set_every_steps(
        options.evaluate_every);
  }
  spec.set_world_size(options.world_size);
  spec.set_max_restarts(options.max_restarts);
  spec.mutable_checkpoint()->set_keep_latest(options.keep_latest);
  spec.mutable_checkpoint()->set_resume(options.resume);
  job.request_digest = absl::StrCat("body of ", id);
  job.uid = "0123456789";
  auto plan = std::make_shared<v1::PlannedJob>();
  const int tp = options.tensor_parallel_size;
  plan->mutable_plan()->set_tensor_parallel_size(tp);
  plan->mutable_plan()->set_data_parallel_size(options.world_size / tp);
  for (int rank = 0; rank < tp; ++rank) plan->add_local_programs();
  job.plan = std::move(plan);
  job.found = options.found;
  return job;
}

absl::StatusOr<v1::Job> Cluster::Submit(const std::string& id,
                                        const JobOptions& options) {
  return Apply(MakeJob(id, options));
}

absl::StatusOr<v1::Job> Cluster::Cancel(const std::string& id,
                                        v1::CancelJobRequest::Mode mode) {
  v1::CancelJobRequest request;
  request.set_name(id);
  request.set_mode(mode);
  return Apply(request);
}

const Job& Cluster::job(const std::string& id) const {
  return core->state().jobs.at(absl::StrCat("jobs/", id));
}

v1::Fence Cluster::FenceOf(const std::string& worker) const {
  v1::Fence fence;
  fence.set_cluster_uid("c1");
  fence.set_coordinator_epoch(epoch_);
  fence.set_worker(worker);
  fence.set_incarnation(core->state().workers.at(worker).incarnation);
  return fence;
}

v1::Fence Cluster::FenceOf(const std::string& worker,
                           const std::string& id) const {
  v1::Fence fence = FenceOf(worker);
  fence.set_job(absl::StrCat("jobs/", id));
  fence.set_attempt(job(id).status().attempt());
  fence.set_group_epoch(job(id).status().group_epoch());
  return fence;
}

absl::Status Cluster::Say(const std::string& id, int rank,
                          Report::State state) {
  Report report;
  *report.mutable_fence() = FenceOf(job(id).record.ranks(rank).worker(), id);
  report.set_rank(rank);
  report.set_state(state);
  if (state == Report::STATE_FINISHED && rank == 0) {
    report.set_model_path(absl::StrCat("/out/", id, "/model"));
  }
  return Apply(report).status();
}

absl::Status Cluster::Fail(const std::string& id, int rank,
                           v1::FailureReason reason,
                           const std::string& message) {
  Report report;
  *report.mutable_fence() = FenceOf(job(id).record.ranks(rank).worker(), id);
  report.set_rank(rank);
  report.set_state(Report::STATE_FAILED);
  report.mutable_failure()->set_reason(reason);
  report.mutable_failure()->set_message(message);
  return Apply(report).status();
}

void Cluster::SayAll(const std::string& id, Report::State state) {
  const int world = job(id).record.ranks_size();
  for (int rank = 0; rank < world; ++rank) {
    const absl::Status said = Say(id, rank, state);
    AUTOTP_CHECK(said.ok(), said.ToString());
  }
}

absl::Status Cluster::Step(const std::string& id, int64_t step) {
  v1::ReportProgressRequest report;
  *report.mutable_fence() = FenceOf(job(id).record.ranks(0).worker(), id);
  report.add_steps()->set_step(step);
  report.mutable_steps(0)->set_tokens(10);
  report.mutable_steps(0)->set_step_seconds(1);
  return Apply(report).status();
}

absl::StatusOr<v1::BeginCheckpointResponse> Cluster::Begin(
    const std::string& id, int64_t step) {
  v1::BeginCheckpointRequest request;
  *request.mutable_fence() = FenceOf(job(id).record.ranks(0).worker(), id);
  request.set_step(step);
  return Apply(request);
}

absl::StatusOr<v1::ReportPartResponse> Cluster::AddPart(const std::string& id,
                                                        int64_t step, int rank,
                                                        int64_t size_bytes) {
  v1::ReportPartRequest request;
  *request.mutable_fence() = FenceOf(job(id).record.ranks(rank).worker(), id);
  request.set_checkpoint(absl::StrCat("jobs/", id, "/checkpoints/", step));
  request.set_rank(rank);
  request.mutable_part()->set_path(absl::StrCat("rank-", rank));
  request.mutable_part()->set_size_bytes(size_bytes);
  return Apply(request);
}

absl::Status Cluster::Commit(const std::string& id, int64_t step,
                             const std::string& digest) {
  v1::CommitCheckpointRequest request;
  *request.mutable_fence() = FenceOf(job(id).record.ranks(0).worker(), id);
  request.set_checkpoint(absl::StrCat("jobs/", id, "/checkpoints/", step));
  request.set_manifest_digest(digest);
  return Apply(request).status();
}

absl::Status Cluster::Save(const std::string& id, int64_t step) {
  AUTOTP_RETURN_IF_ERROR(Begin(id, step).status());
  for (int rank = 0; rank < job(id).record.ranks_size(); ++rank) {
    AUTOTP_RETURN_IF_ERROR(AddPart(id, step, rank).status());
  }
  return Commit(id, step);
}

}  // namespace autotp::core
