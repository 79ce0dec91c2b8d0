// model_state.h -- a rank's weights and optimizer state, as training begins.
//
// Flow: Train() -> MakeState() -> LoadState(): from the model's own weights,
// at random, or from a checkpoint of any layout.
#ifndef AUTOTP_WORKER_TRAINER_MODEL_STATE_H_
#define AUTOTP_WORKER_TRAINER_MODEL_STATE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/checkpoint.pb.h"
#include "worker/runtime/local_program.h"
#include "worker/trainer/groups.h"
#include "worker/zero/flat_state.h"

namespace autotp::trainer {

// How far training has come.
struct Position {
  int64_t step = 0;  // finished optimizer steps, those skipped included
  int64_t tokens = 0;
  int64_t sequences_consumed = 0;
  v1::TrainingState state;  // without the optimizer's kind
};

// RESOURCE_EXHAUSTED: not enough memory.
absl::StatusOr<std::unique_ptr<zero::FlatState>> MakeState(
    const v1::TrainerTask& task, const runtime::LocalProgram& program,
    const Groups& groups);

// Fills the state and says where to begin. Errors carry a FailureReason.
absl::StatusOr<Position> LoadState(const v1::TrainerTask& task,
                                   const runtime::LocalProgram& program,
                                   zero::FlatState& state);

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_MODEL_STATE_H_
