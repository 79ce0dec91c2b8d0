// process.h -- one trainer process, from its birth to its exit code.
//
// Flow: zygote.h forks -> RunTrainer() reads the task, makes the host
// (socket_host.h), calls the loop (train.h), reports the end to the agent.
//
// Crash-only: any error ends the process; nothing is repaired here. If the
// agent goes away the process ends at once.
//
// Threads: the caller trains; one reader thread (socket_host.h).
#ifndef AUTOTP_WORKER_TRAINER_PROCESS_H_
#define AUTOTP_WORKER_TRAINER_PROCESS_H_

#include <functional>

#include "absl/status/statusor.h"
#include "worker/trainer/train.h"
#include "worker/trainer/zygote.h"

namespace autotp::trainer {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;    // the failure was reported
inline constexpr int kExitNoAgent = 3;   // nobody to report to
inline constexpr int kExitBadStart = 4;  // no task came

using TrainFunction = std::function<absl::StatusOr<TrainResult>(
    const v1::TrainerTask&, TrainerHost&)>;

// Blocks until training has ended. Returns the process's exit code.
int RunTrainer(ForkedTrainer trainer, const TrainFunction& train);

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_PROCESS_H_
