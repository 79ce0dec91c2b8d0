// step_loop.h -- the optimizer steps of one rank.
//
// Flow: Train() -> RunSteps() -> per step: micro-steps, reduction, one small
// exchange over the world, update, metrics, checkpoint if wanted.
//
// Loss, norm and wishes are exchanged once a step, so all ranks take the same
// decisions at the same step: to skip it, to end, to save.
#ifndef AUTOTP_WORKER_TRAINER_STEP_LOOP_H_
#define AUTOTP_WORKER_TRAINER_STEP_LOOP_H_

#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "worker/data/dataset.h"
#include "worker/runtime/local_program.h"
#include "worker/trainer/checkpointer.h"
#include "worker/trainer/evaluation.h"
#include "worker/trainer/groups.h"
#include "worker/trainer/model_state.h"
#include "worker/trainer/train.h"
#include "worker/zero/flat_state.h"

namespace autotp::trainer {

// What a rank trains with; all outlive the loop.
struct LoopParts {
  const v1::TrainerTask& task;
  TrainerHost& host;
  const Groups& groups;
  const data::Dataset& dataset;
  runtime::LocalProgram& program;
  zero::FlatState& state;
  Checkpointer& checkpointer;
  const Evaluation* evaluation = nullptr;  // null: none is wanted
};

// Runs from `position` to the task's last step, or to the one whose loss
// reaches the target, or to the one at which a stop was wished; the last thing
// it does is to save there. Errors carry a FailureReason where it is known.
absl::StatusOr<TrainResult> RunSteps(const LoopParts& parts, Position position);

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_STEP_LOOP_H_
