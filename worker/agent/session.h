// session.h -- the agent's standing with the coordinator.
//
// Flow: registers -> heartbeats and one assignment stream -> on ABORTED, or
// when the coordinator's epoch changes, registers again with the trainers
// that run. Everything else the agent says goes through Call(), which adds
// the fence and repeats until it is answered.
//
// Trainers never wait for the coordinator: while it is away the session tries
// on, quietly.
//
// Threading: loop thread only.
#ifndef AUTOTP_WORKER_AGENT_SESSION_H_
#define AUTOTP_WORKER_AGENT_SESSION_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "autotp/v1/worker_service.pb.h"
#include "worker/agent/attempt_key.h"
#include "worker/agent/coordinator_client.h"
#include "worker/agent/event_loop.h"

namespace autotp::agent {

struct SessionCallbacks {
  std::function<std::vector<v1::RunningTrainer>()> running;
  std::function<void(const v1::Assignment&)> on_assignment;
  // The coordinator will never take this process (wrong cluster, another
  // process of this name, bad settings): its trainers must end.
  std::function<void(const absl::Status&)> on_refused;
};

struct CallOptions {
  absl::Time deadline = absl::InfiniteFuture();
  absl::Duration try_timeout = absl::Seconds(10);
  // The call is dropped without an answer once its owner is gone.
  std::weak_ptr<const void> owner;
};

// Delays between tries: doubling up to a limit.
class Backoff {
 public:
  explicit Backoff(absl::Duration first = absl::Milliseconds(50),
                   absl::Duration most = absl::Seconds(1))
      : first_(first), most_(most), next_(first) {}
  absl::Duration Next() {
    return std::exchange(next_, std::min(next_ * 2, most_));
  }
  void Reset() { next_ = first_; }

 private:
  absl::Duration first_;
  absl::Duration most_;
  absl::Duration next_;
};

class Session {
 public:
  // `self`: what RegisterWorker says but for the fence's incarnation and the
  // running trainers.
  Session(EventLoop& loop, CoordinatorClient& client,
          v1::RegisterWorkerRequest self, SessionCallbacks callbacks);

  void Start() { Register(); }
  bool registered() const { return registered_; }
  CoordinatorClient& client() { return client_; }
  EventLoop& loop() { return loop_; }

  // Sets the request's fence, calls, and repeats on UNAVAILABLE and its like
  // until the deadline, across restarts of the coordinator. `done` gets
  //   ABORTED  this attempt is over: stop writing
  //   others   as the coordinator answered, or the last error at the deadline
  template <typename Stub, typename Request, typename Response>
  void Call(Stub* stub,
            void (Stub::*method)(grpc::ClientContext*, const Request*,
                                 Response*, std::function<void(grpc::Status)>),
            const AttemptKey& attempt, Request request,
            const CallOptions& options,
            std::function<void(absl::StatusOr<Response>)> done);

  // Says goodbye; no more tries after it. `done` runs in any case.
  void Deregister(absl::Duration timeout, std::function<void()> done);

 private:
  v1::Fence FenceOf(const AttemptKey& attempt) const;
  void Register();
  void OnRegistered(absl::StatusOr<v1::RegisterWorkerResponse> response);
  void Heartbeat();
  void OnHeartbeat(int64_t number,
                   const absl::StatusOr<v1::HeartbeatResponse>& response);
  void OpenStream();
  void OnStreamEnd(int64_t number, const absl::Status& status);
  void OnAssignment(int64_t number, const v1::Assignment& assignment);
  void Renew(const std::string& why);
  // An attempt's call was ABORTED: finds out whose part of the fence is
  // stale. `verdict` gets true: the attempt's; false: the session's, which
  // is a new one by now.
  void Doubt(int64_t number, std::function<void(bool)> verdict);
  void EndDoubts(bool session_is_current);

  EventLoop& loop_;
  CoordinatorClient& client_;
  v1::RegisterWorkerRequest self_;
  const SessionCallbacks callbacks_;
  bool registered_ = false;
  bool ended_ = false;
  int64_t number_ = 0;  // +1 with every registration
  Backoff register_backoff_{absl::Milliseconds(20), absl::Seconds(1)};
  Backoff stream_backoff_{absl::Milliseconds(50), absl::Seconds(2)};
  absl::Duration heartbeat_interval_ = absl::Seconds(1);
  EventLoop::TimerId heartbeat_timer_;
  bool heartbeat_out_ = false;
  bool silent_ = false;  // the coordinator gave no answer; said once
  std::shared_ptr<CoordinatorClient::Watch> stream_;
  int64_t applied_generation_ = 0;
  int num_behind_ = 0;  // heartbeats that found the stream behind
  std::vector<std::function<void(bool)>> doubts_;
};

template <typename Stub, typename Request, typename Response>
void Session::Call(Stub* stub,
                   void (Stub::*method)(grpc::ClientContext*, const Request*,
                                        Response*,
                                        std::function<void(grpc::Status)>),
                   const AttemptKey& attempt, Request request,
                   const CallOptions& options,
                   std::function<void(absl::StatusOr<Response>)> done) {
  struct Repeated : std::enable_shared_from_this<Repeated> {
    Session* session;
    Stub* stub;
    decltype(method) call;
    AttemptKey attempt;
    Request request;
    CallOptions options;
    std::function<void(absl::StatusOr<Response>)> done;
    Backoff backoff;
    absl::Status last = absl::UnavailableError("not registered yet");

    void Try() {
      if (options.owner.expired() || session->ended_) return;
      const absl::Duration left = options.deadline - absl::Now();
      if (left <= absl::ZeroDuration()) {
        done(absl::DeadlineExceededError(last.message()));
      } else if (!session->registered_) {
        Later();
      } else {
        *request.mutable_fence() = session->FenceOf(attempt);
        session->client_.Call(
            stub, call, request, std::min(left, options.try_timeout),
            std::function<void(absl::StatusOr<Response>)>(
                [self = this->shared_from_this(),
                 number = session->number_](absl::StatusOr<Response> answer) {
                  self->OnAnswer(number, std::move(answer));
                }));
      }
    }

    void OnAnswer(int64_t number, absl::StatusOr<Response> answer) {
      if (options.owner.expired() || session->ended_) return;
      switch (answer.status().code()) {
        case absl::StatusCode::kUnavailable:
        case absl::StatusCode::kDeadlineExceeded:
        case absl::StatusCode::kCancelled:
        case absl::StatusCode::kUnknown:
          last = answer.status();
          Later();
          return;
        case absl::StatusCode::kAborted:
          last = answer.status();
          session->Doubt(number,
                         [self = this->shared_from_this()](bool is_stale) {
                           if (!is_stale) return self->Try();
                           if (!self->options.owner.expired()) {
                             self->done(self->last);
                           }
                         });
          return;
        default:
          done(std::move(answer));
      }
    }

    void Later() {
      session->loop_.RunAt(
          std::min(absl::Now() + backoff.Next(), options.deadline),
          [self = this->shared_from_this()] { self->Try(); });
    }
  };
  auto repeated = std::make_shared<Repeated>();
  repeated->session = this;
  repeated->stub = stub;
  repeated->call = method;
  repeated->attempt = attempt;
  repeated->request = std::move(request);
  repeated->options = options;
  repeated->done = std::move(done);
  repeated->Try();
}

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_SESSION_H_
