#include "coordinator/core/assignment.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/core/job_state.h"
#include "coordinator/core/placement.h"
#include "proto/support/check.h"

namespace autotp::core {
namespace {

bool IsDone(v1::RankRecord::State state) {
  return state == v1::RankRecord::STATE_FINISHED ||
         state == v1::RankRecord::STATE_STOPPED ||
         state == v1::RankRecord::STATE_FAILED;
}

v1::TrainerTask BuildTask(const Job& job, int rank,
                          const std::vector<RankSite>& sites) {
  AUTOTP_CHECK(job.plan != nullptr, job.name(), " runs without a plan");
  const v1::PlannedJob& plan = *job.plan;
  const int tp = plan.plan().tensor_parallel_size();
  const v1::JobSpec& spec = job.spec();
  v1::TrainerTask task;
  task.set_job(job.name());
  task.set_attempt(job.status().attempt());
  task.set_group_epoch(job.status().group_epoch());
  task.set_rank(rank);
  task.set_world_size(static_cast<int>(sites.size()));
  task.set_tensor_parallel_size(tp);
  task.set_slot(job.record.ranks(rank).slot());
  for (v1::ProcessGroup& group : GroupsOfRank(rank, tp, sites)) {
    *task.add_groups() = std::move(group);
  }
  AUTOTP_CHECK(rank % tp < plan.local_programs_size(), job.name(), " has ",
               plan.local_programs_size(), " local programs, not ", tp);
  *task.mutable_program() = plan.local_programs(rank % tp);
  *task.mutable_config() = plan.config();
  *task.mutable_model() = spec.model();
  *task.mutable_data() = spec.data();
  task.set_sequence_length(spec.run().sequence_length());
  task.set_max_steps(spec.run().max_steps());
  task.set_seed(spec.run().seed());
  task.set_checkpoint_every_steps(spec.checkpoint().every_steps());
  task.set_resume_manifest(job.record.resume_manifest());
  task.set_plan_digest(plan.plan().digest());
  task.set_log_path(LogPath(job, job.status().attempt(), rank));
  *task.mutable_export_() = plan.export_();
  task.set_vocabulary_size(plan.vocabulary_size());
  task.set_output_path(spec.run().output_path());
  if (spec.run().has_evaluation())
    *task.mutable_evaluation() = spec.run().evaluation();
  task.set_target_loss(spec.run().target_loss());
  return task;
}

void AddOrder(const Job& job, v1::Assignment& assignment) {
  const v1::JobRecord& record = job.record;
  if (!record.stop_after_step() && !record.stop_now() &&
      record.checkpoint_request() == 0) {
    return;
  }
  v1::JobOrder& order = *assignment.add_orders();
  order.set_job(job.name());
  order.set_attempt(job.status().attempt());
  order.set_stop_after_step(record.stop_after_step());
  order.set_stop_now(record.stop_now());
  order.set_checkpoint_request(record.checkpoint_request());
}

}  // namespace

v1::Assignment BuildAssignment(const State& state, const Worker& worker) {
  v1::Assignment assignment;
  assignment.set_generation(worker.generation);
  assignment.set_coordinator_epoch(state.epoch);
  for (const auto& [name, job] : state.jobs) {
    if (!IsActive(job.state())) continue;
    std::vector<RankSite> sites;
    for (const v1::RankRecord& rank : job.record.ranks()) {
      sites.push_back({rank.worker(), rank.device()});
    }
    bool here = false;
    for (int rank = 0; rank < job.record.ranks_size(); ++rank) {
      const v1::RankRecord& record = job.record.ranks(rank);
      if (record.worker() != worker.name || IsDone(record.state())) continue;
      here = true;
      *assignment.add_tasks() = BuildTask(job, rank, sites);
    }
    if (here) AddOrder(job, assignment);
  }
  return assignment;
}

std::string LogPath(const Job& job, int attempt, int rank) {
  return absl::StrCat(job.spec().run().output_path(), "/logs/attempt-", attempt,
                      "-rank-", rank, ".log");
}

}  // namespace autotp::core
