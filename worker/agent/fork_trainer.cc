#include "worker/agent/fork_trainer.h"

#include <sys/socket.h>

#include <utility>
#include <vector>

#include "proto/support/status_macros.h"
#include "worker/agent/log_tail.h"

namespace autotp::agent {

absl::Status ForkTrainer(const v1::TrainerTask& task, const ForkParts& parts,
                         std::function<void(const v1::FromTrainer&)> on_message,
                         Attempt& attempt, Trainer& trainer) {
  AUTOTP_ASSIGN_OR_RETURN(UniqueFd log, OpenLog(task.log_path()));
  const int64_t begin = LogBytes(log.get());
  trainer.log = std::make_shared<LogUpload>(
      parts.session, trainer.attempt, trainer.rank, std::move(log), begin);
  AUTOTP_ASSIGN_OR_RETURN(auto ends, SocketPair(SOCK_STREAM));

  v1::ForkRequest request;
  request.set_id(trainer.fork_id);
  request.set_slot(trainer.slot);
  request.set_threads(parts.threads);
  request.set_data_address(parts.data_address);
  std::vector<int> descriptors = {ends.second.get(), trainer.log->descriptor()};
  for (const v1::ProcessGroup& group : task.groups()) {
    if (group.backend() != v1::ProcessGroup::BACKEND_SHARED_MEMORY) continue;
    UniqueFd& memory = attempt.memory[group.key()];
    if (!memory.valid()) {
      AUTOTP_ASSIGN_OR_RETURN(const int descriptor,
                              parts.create_memory(group.ranks_size()));
      memory.reset(descriptor);
    }
    request.add_memory_keys(group.key());
    descriptors.push_back(memory.get());
  }
  AUTOTP_RETURN_IF_ERROR(parts.zygote.Fork(request, descriptors));

  trainer.link = std::make_unique<TrainerLink>(
      parts.loop, std::move(ends.first), std::move(on_message));
  v1::ToTrainer start;
  *start.mutable_start() = task;
  return trainer.link->Send(start);
}

}  // namespace autotp::agent
