// rank_threads.h -- a whole job in one process: planned by the coordinator's
// planner, each rank a thread, the host a fake.
#ifndef AUTOTP_TESTS_UNIT_WORKER_TRAINER_RANK_THREADS_H_
#define AUTOTP_TESTS_UNIT_WORKER_TRAINER_RANK_THREADS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/job.pb.h"
#include "worker/trainer/train.h"

namespace autotp::testing {

// One task per rank. INVALID_ARGUMENT with the planner's errors.
absl::StatusOr<std::vector<v1::TrainerTask>> PlanTasks(const v1::JobSpec& spec);

struct WorldOptions {
  std::string checkpoint_folder;
  // Wishes that rank `rank` sees when it polls in the step that makes it
  // `step`; null: none.
  std::function<trainer::Wishes(int rank, int64_t step)> wishes;
};

struct WorldResult {
  std::vector<absl::StatusOr<trainer::TrainResult>> ranks;
  std::vector<v1::StepMetrics> steps;  // of rank 0
  std::vector<std::string> committed;  // manifest paths, in order
  absl::Status FirstError() const;
};

// Runs all ranks to their end.
WorldResult RunWorld(const std::vector<v1::TrainerTask>& tasks,
                     const WorldOptions& options);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_UNIT_WORKER_TRAINER_RANK_THREADS_H_
