// zygote_process.h -- the agent's end of its zygote (worker/trainer/zygote.h).
//
// Flow: agent.cc starts it at once, so that LibTorch is loaded before the
// first task comes; Fork() hands a trainer's descriptors over; events come
// back on the loop. When the zygote dies, its trainers have died with it;
// the owner makes a new one.
//
// Threading: loop thread only, and that thread must outlive the zygote: the
// kernel's parent-death signal follows the thread that started it.
#ifndef AUTOTP_WORKER_AGENT_ZYGOTE_PROCESS_H_
#define AUTOTP_WORKER_AGENT_ZYGOTE_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "autotp/v1/trainer.pb.h"
#include "worker/agent/event_loop.h"

namespace autotp::agent {

struct ZygoteOptions {
  std::string binary;  // autotp-trainer
  int threads = 1;     // per trainer; OMP_NUM_THREADS
};

class ZygoteProcess {
 public:
  // `on_exit` gets "signal 9" or "exit code 1"; the object may be deleted
  // in it.
  struct Callbacks {
    std::function<void()> on_ready;
    std::function<void(const v1::TrainerForked&)> on_forked;
    std::function<void(const v1::TrainerExited&)> on_exited;
    std::function<void(const std::string& why)> on_zygote_exit;
  };

  static absl::StatusOr<std::unique_ptr<ZygoteProcess>> Start(
      EventLoop& loop, const ZygoteOptions& options, Callbacks callbacks);
  // Kills the zygote, and so its trainers, and waits for its end.
  ~ZygoteProcess();

  pid_t pid() const { return pid_; }
  absl::Status Fork(const v1::ForkRequest& request,
                    absl::Span<const int> descriptors);

 private:
  ZygoteProcess(EventLoop& loop, UniqueFd control, pid_t pid,
                Callbacks callbacks);
  void Receive();
  std::string KillAndWait();

  EventLoop& loop_;
  UniqueFd control_;
  pid_t pid_;  // 0: waited for
  const Callbacks callbacks_;
};

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_ZYGOTE_PROCESS_H_
