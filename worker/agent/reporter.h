// reporter.h -- sends one attempt's outbox to the coordinator, in order.
//
// Flow: supervisor.cc adds -> one RPC at a time, repeated across restarts of
// the coordinator until it is answered -> on ABORTED the attempt is over, and
// what is unsent is forgotten.
//
// Threading: loop thread only. Held by shared_ptr: calls under way hold a
// weak one.
#ifndef AUTOTP_WORKER_AGENT_REPORTER_H_
#define AUTOTP_WORKER_AGENT_REPORTER_H_

#include <functional>
#include <memory>

#include "worker/agent/attempt_key.h"
#include "worker/agent/outbox.h"
#include "worker/agent/session.h"

namespace autotp::agent {

class Reporter : public std::enable_shared_from_this<Reporter> {
 public:
  struct Callbacks {
    std::function<void(const absl::Status&)> on_fenced;
    std::function<void()> on_sent;  // there is room, or nothing waits any more
  };

  Reporter(Session& session, AttemptKey attempt, Callbacks callbacks);
  ~Reporter();

  void AddStep(int rank, const v1::StepMetrics& step);
  void AddState(const v1::ReportTrainerRequest& state);
  // Sends no more; what waits is forgotten.
  void Close() { fenced_ = true; }
  bool full() const { return outbox_.full(); }
  // Nothing waits, or nothing may be sent any more.
  bool drained() const { return fenced_ || outbox_.empty(); }

 private:
  void Pump();
  void Send(const Report& report);
  void OnAnswer(const absl::Status& status);

  Session& session_;
  const AttemptKey attempt_;
  const Callbacks callbacks_;
  Outbox outbox_;
  bool fenced_ = false;
  EventLoop::TimerId timer_;
};

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_REPORTER_H_
