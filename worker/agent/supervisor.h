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
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/trainer.pb.h"
#include "worker/agent/blame.h"
#include "worker/agent/event_loop.h"
#include "worker/agent/log_upload.h"
#include "worker/agent/proxy.h"
#include "worker/agent/reconcile.h"
#include "worker/agent/reporter.h"
#include "worker/agent/session.h"
#include "worker/agent/trainer_link.h"
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
  // Live trainers, and those whose last report is not delivered yet.
  std::vector<v1::RunningTrainer> Running() const;
  // Ends every trainer and forgets what is unsent.
  void DropAll(const std::string& why);
  // Ends every trainer and starts no more; what was reported still goes up.
  void Stop();
  // No report and no line of a log waits.
  bool drained() const;
  pid_t zygote_pid() const { return zygote_ ? zygote_->pid() : 0; }

 private:
  struct Trainer {
    AttemptKey attempt;
    int rank = 0;
    int slot = 0;
    int64_t fork_id = 0;
    pid_t pid = 0;  // 0: not forked yet
    bool live = false;
    bool ending = false;    // we end it; its death is no failure
    bool said_end = false;  // FINISHED or STOPPED was reported
    bool ordered = false;   // its end is ordered: STOPPED is due
    absl::Time start_time;
    int64_t step = 0;
    SentOrder sent;
    std::optional<v1::Failure> last_words;
    std::shared_ptr<LogUpload> log;  // none: it could not be opened
    std::unique_ptr<TrainerLink> link;
  };
  struct Attempt {
    AttemptKey key;
    std::map<int, std::shared_ptr<Trainer>> trainers;  // by rank
    std::map<std::string, UniqueFd> memory;            // by group key
    std::shared_ptr<Reporter> reporter;
    Blame blame;
    bool broken = false;
  };

  void StartZygote();
  void OnZygoteExit(const std::string& why);
  void OnForked(const v1::TrainerForked& forked);
  void OnExited(const v1::TrainerExited& exited);

  void Reconcile();
  std::vector<TrainerView> Views() const;
  Attempt& AttemptOf(const AttemptKey& key);
  Trainer* Find(const AttemptKey& key, int rank);
  void StartTrainer(const v1::TrainerTask& task);
  absl::Status Fork(const v1::TrainerTask& task, Attempt& attempt,
                    Trainer& trainer);
  void Forward(const ForwardOrder& forward);

  void OnMessage(const AttemptKey& key, int rank,
                 const v1::FromTrainer& message);
  void OnState(Attempt& attempt, Trainer& trainer,
               const v1::ReportTrainerRequest& state);
  void OnEnd(Trainer& trainer, int exit_code, int signal,
             const std::string& how);
  static void ReportStopped(Attempt& attempt, Trainer& trainer);
  void Kill(Trainer& trainer, const std::string& why);
  void KillLater(const Trainer& trainer, absl::Duration delay,
                 const std::string& why);
  void OnFailure(Attempt& attempt, v1::Failure failure);
  void BreakAttempt(Attempt& attempt, const std::string& why);
  void DecideBlame(const AttemptKey& key);
  // The last step that is known: only rank 0 tells of its steps.
  static int64_t StepOf(const Attempt& attempt);
  static bool IsDrained(const Attempt& attempt);
  void PumpLogs();
  // Forgets attempts that are over; later, since callers hold on to them.
  void SweepLater();
  void Sweep();

  EventLoop& loop_;
  Session& session_;
  const SupervisorOptions options_;
  v1::Assignment desired_;
  std::map<AttemptKey, std::unique_ptr<Attempt>> attempts_;
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
