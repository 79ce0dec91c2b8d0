// create_job.h -- from a CreateJob call to a durable job.
//
// Flow: was this request here before? -> plan it and look for checkpoints,
// on the pool -> submit it to core -> answer. ValidateJob is the middle part.
//
// Threading: any thread; nothing waits but the pool's threads.
#ifndef AUTOTP_COORDINATOR_RPC_CREATE_JOB_H_
#define AUTOTP_COORDINATOR_RPC_CREATE_JOB_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "autotp/v1/job_service.pb.h"
#include "coordinator/engine/engine.h"
#include "coordinator/engine/worker_pool.h"
#include "coordinator/planner/planner.h"

namespace autotp::rpc {

using MakePlan = std::function<planner::PlanResult(
    const v1::JobSpec&, const planner::PlanOptions&)>;

struct JobMaker {
  engine::Engine& engine;
  engine::WorkerPool& pool;
  MakePlan make_plan;
  std::function<std::string()> new_uid;  // hexadecimal; thread-safe
};

// `done` is called exactly once, from any thread. Errors: job_service.proto.
void CreateJob(const JobMaker& maker, const v1::CreateJobRequest& request,
               std::function<void(absl::StatusOr<v1::Job>)> done);

void ValidateJob(
    const JobMaker& maker, const v1::ValidateJobRequest& request,
    std::function<void(absl::StatusOr<v1::ValidateJobResponse>)> done);

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_CREATE_JOB_H_
