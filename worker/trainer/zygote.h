// zygote.h -- the process that forks trainers in milliseconds.
//
// Flow: worker/agent execs `autotp-trainer --zygote --control-fd N` ->
// RunZygote() waits for ForkRequest packets -> forks -> RunTrainer()
// (process.h) in the child.
//
// Its worth is that LibTorch is loaded and relocated once. That is only safe
// while it has one thread and has run no OpenMP region and no gRPC: nothing
// here starts any.
//
// Trainers die with the zygote and the zygote with the agent: the kernel's
// parent-death signal, and the end of the control socket.
//
// Threading: one thread, one call per process.
#ifndef AUTOTP_WORKER_TRAINER_ZYGOTE_H_
#define AUTOTP_WORKER_TRAINER_ZYGOTE_H_

#include <functional>
#include <map>
#include <string>

#include "proto/support/socket_channel.h"

namespace autotp::trainer {

// What a trainer is born with. Its standard output and error are its log.
struct ForkedTrainer {
  UniqueFd control;                        // stream to the agent
  std::map<std::string, UniqueFd> memory;  // by ProcessGroup.key
  int slot = 0;
  int threads = 1;
  std::string data_address;
};

// Serves ForkRequests on `control` until the agent closes it. Each child runs
// `trainer_main` and exits with its result. Returns an exit code.
//
// Descriptors of a ForkRequest, in order: the trainer's control socket, its
// log, then one segment per memory key.
int RunZygote(UniqueFd control,
              const std::function<int(ForkedTrainer)>& trainer_main);

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_ZYGOTE_H_
