// agent.h -- one host's worker: a session with the coordinator, and trainers.
//
// Flow: main.cc -> Run() until Stop() -> supervisor.h and session.h do the
// work on this thread.
//
// The end: trainers are killed, what they had reported goes up (for a short
// time), the worker deregisters.
//
// Threading: Run() once; its thread owns all state and must be the one that
// lives as long as the process's trainers. Stop() from any thread, idempotent.
#ifndef AUTOTP_WORKER_AGENT_AGENT_H_
#define AUTOTP_WORKER_AGENT_AGENT_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "worker/agent/coordinator_client.h"
#include "worker/agent/event_loop.h"
#include "worker/agent/options.h"
#include "worker/agent/session.h"
#include "worker/agent/supervisor.h"

namespace autotp::agent {

struct AgentDeps {
  // collective::CreateSharedMemory and AbortSharedMemory.
  std::function<absl::StatusOr<int>(int ranks)> create_memory;
  std::function<void(int descriptor)> abort_memory;
};

class Agent {
 public:
  // `options`: resolved.
  Agent(const WorkerOptions& options, AgentDeps deps);

  // OK after Stop(); else
  //   NOT_FOUND  the zygote could not be started
  //   others     the coordinator refuses this worker for good
  absl::Status Run();
  void Stop();
  // Runs BeginStop() on the loop when a signal arrives on `descriptor`.
  void StopOnReadable(int descriptor);

 private:
  void BeginStop(const absl::Status& result);
  void FinishStop();

  const WorkerOptions options_;
  // In this order: each uses the ones before it until its own end.
  EventLoop loop_;
  CoordinatorClient client_;
  Session session_;
  Supervisor supervisor_;
  bool stopping_ = false;
  absl::Time drain_deadline_;
  absl::Status result_;
};

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_AGENT_H_
