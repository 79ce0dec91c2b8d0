// check_task.h -- is what came from the socket a task at all?
//
// Flow: Train() -> CheckTask(), before anything of the task is used.
//
// Pure.
#ifndef AUTOTP_WORKER_TRAINER_CHECK_TASK_H_
#define AUTOTP_WORKER_TRAINER_CHECK_TASK_H_

#include "absl/status/status.h"
#include "autotp/v1/assignment.pb.h"

namespace autotp::trainer {

// INVALID_ARGUMENT: ranks that are no layout, groups that are another's,
// a malformed program, or one whose inputs are not the task's micro-batches.
absl::Status CheckTask(const v1::TrainerTask& task);

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_CHECK_TASK_H_
