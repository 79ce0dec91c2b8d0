// supervisor.h -- the trainers of this host, from assignment to last report.
//
// Flow: session.h's assignments -> reconcile.h -> fork through the zygote ->
// trainers' messages go up (reporter.h, proxy.h, log_upload.h) -> exits end
// attempts.
//
// When a rank dies its attempt is broken: the shared memory of its groups is
// aborted, so that peers fail at once instead of waiting; after a short grace
// the rest is killed; the cause alone is reported (blame.h). A trainer that
// has ended is never started again here.
//
// Threading: loop thread only.
#ifndef AUTOTP_WORKER_AGENT_SUPERVISOR_H_
#define AUTOTP_WORKER_AGENT_SUPERVISOR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/trainer.pb.h"
#include "worker/agent/attempts.h"
#include "worker/agent/event_loop.h"
#include "worker/agent/proxy.h"
#include "worker/agent/reconcile.h"
#include "worker/agent/session.h"
#include "worker/agent/zygote_process.h"

namespace autotp::agent {

struct SupervisorOptions {
  std::string worker;  // its name, for failures
  int slots = 1;
  std::string data_address;
  ZygoteOptions zygote;
  // collective::CreateSharedMemory and AbortSharedMemory.
  std::function<absl::StatusOr<int>(int ranks)> create_memory;
  std::function<void(int descriptor)> abort_memory;
  absl::Duration kill_grace = absl::Milliseconds(300);  // after a peer's death
  absl::Duration exit_timeout = absl::Seconds(10);      // after a last word
  absl::Duration log_interval = absl::Milliseconds(500);
  int log_lines_max = 20;  // in a failure
  ProxyOptions proxy;
};

class Supervisor {
 public:
  Supervisor(EventLoop& loop, Session& session, SupervisorOptions options);
  ~Supervisor();

  // Starts the zygote, so that it is warm when the first task comes.
  absl::Status Start();
  void Apply(const v1::Assignment& assignment);
  std::vector<v1::RunningTrainer> Running() const {
    return attempts_.Running();
  }
  // Ends every trainer and forgets what is unsent.
  void DropAll(const std::string& why);
  // Ends every trainer and starts no more; what was reported still goes up.
  void Stop();
  bool drained() const { return attempts_.drained(); }
  pid_t zygote_pid() const { return zygote_ ? zygote_->pid() : 0; }

 private:
  void StartZygote();
  void OnZygoteExit(const std::string& why);
  void OnForked(const v1::TrainerForked& forked);
  void OnExited(const v1::TrainerExited& exited);

  void Reconcile();
  Attempt& AttemptOf(const AttemptKey& key);
  void StartTrainer(const v1::TrainerTask& task);
  void Forward(const ForwardOrder& forward);

  void OnMessage(const AttemptKey& key, int rank,
                 const v1::FromTrainer& message);
  void OnState(Attempt& attempt, Trainer& trainer,
               const v1::ReportTrainerRequest& state);
  void OnEnd(Trainer& trainer, const TrainerEnd& end);
  static void ReportStopped(Attempt& attempt, Trainer& trainer);
  void Kill(Trainer& trainer, const std::string& why);
  void KillLater(const Trainer& trainer, absl::Duration delay,
                 const std::string& why);
  void OnFailure(Attempt& attempt, v1::Failure failure);
  void BreakAttempt(Attempt& attempt, const std::string& why);
  void DecideBlame(const AttemptKey& key);
  void PumpLogs();
  // Forgets attempts that are over; later, since callers hold on to them.
  void SweepLater();
  void Sweep();

  EventLoop& loop_;
  Session& session_;
  const SupervisorOptions options_;
  v1::Assignment desired_;
  Attempts attempts_;
  std::unique_ptr<ZygoteProcess> zygote_;
  absl::Time zygote_start_;
  Backoff zygote_backoff_{absl::Milliseconds(100), absl::Seconds(5)};
  int64_t last_fork_ = 0;
  bool stopping_ = false;
  bool sweeping_ = false;
  EventLoop::TimerId log_timer_;
};

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_SUPERVISOR_H_
