// fork_trainer.h -- from a task to a trainer's process: its log, its socket and
// the shared memory of its groups.
//
// Flow: supervisor.h -> ForkTrainer() -> the zygote; what it says of the fork
// comes later.
//
// Threading: loop thread only.
#ifndef AUTOTP_WORKER_AGENT_FORK_TRAINER_H_
#define AUTOTP_WORKER_AGENT_FORK_TRAINER_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/trainer.pb.h"
#include "worker/agent/attempts.h"
#include "worker/agent/event_loop.h"
#include "worker/agent/session.h"
#include "worker/agent/trainer_link.h"
#include "worker/agent/zygote_process.h"

namespace autotp::agent {

// What a fork is made with.
struct ForkParts {
  EventLoop& loop;
  Session& session;
  ZygoteProcess& zygote;
  int threads = 1;
  const std::string& data_address;
  const std::function<absl::StatusOr<int>(int ranks)>& create_memory;
};

// Asks for the fork and sends the task. The trainer's log and link are set, as
// far as it came; memory that its groups lack is made.
absl::Status ForkTrainer(const v1::TrainerTask& task, const ForkParts& parts,
                         std::function<void(const v1::FromTrainer&)> on_message,
                         Attempt& attempt, Trainer& trainer);

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_FORK_TRAINER_H_
