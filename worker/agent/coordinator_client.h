// coordinator_client.h -- calls to the coordinator whose answers come back on
// the event loop.
//
// Flow: session.h -> gRPC's threads -> EventLoop::Post() -> `done`. gRPC's
// callbacks do nothing but post.
//
// gRPC's threads must never hold the last reference to a call: it keeps the
// channel, and a channel's end joins those very threads. So a call is owned
// here, and then by the function that is posted.
//
// Threading: loop thread; the destructor cancels what is under way and waits
// until gRPC has let go of it.
#ifndef AUTOTP_WORKER_AGENT_COORDINATOR_CLIENT_H_
#define AUTOTP_WORKER_AGENT_COORDINATOR_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "autotp/v1/rendezvous_service.grpc.pb.h"
#include "autotp/v1/worker_service.grpc.pb.h"
#include "proto/support/grpc_status.h"
#include "worker/agent/event_loop.h"

namespace autotp::agent {

// `address`: "host:port" or "unix:/path". Connects when first used.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address);

// The methods of the two services, by name: &WorkerCalls::Heartbeat.
using WorkerCalls = v1::WorkerService::StubInterface::async_interface;
using RendezvousCalls = v1::RendezvousService::StubInterface::async_interface;

class CoordinatorClient {
 public:
  template <typename Response>
  using Done = std::function<void(absl::StatusOr<Response>)>;

  CoordinatorClient(EventLoop& loop, std::shared_ptr<grpc::Channel> channel);
  ~CoordinatorClient();

  WorkerCalls* worker() { return worker_->async(); }
  RendezvousCalls* rendezvous() { return rendezvous_->async(); }

  // One call of `stub`, e.g. (worker(), &WorkerCalls::Heartbeat, request, ...).
  template <typename Stub, typename Request, typename Response>
  void Call(Stub* stub,
            void (Stub::*method)(grpc::ClientContext*, const Request*,
                                 Response*, std::function<void(grpc::Status)>),
            const Request& request, absl::Duration timeout,
            Done<Response> done);

  // A running WatchAssignment; `on_end` follows the last assignment.
  class Watch {
   public:
    virtual ~Watch() = default;
    virtual void Cancel() = 0;
  };
  std::shared_ptr<Watch> WatchAssignment(
      const v1::WatchAssignmentRequest& request,
      std::function<void(v1::Assignment)> on_assignment,
      std::function<void(absl::Status)> on_end);

 private:
  class WatchReactor;
  // A call until its last callback.
  struct UnderWay {
    virtual ~UnderWay() = default;
    virtual void OnEnd() = 0;  // on the loop
    grpc::ClientContext context;
  };

  void Add(std::shared_ptr<UnderWay> call);
  // From gRPC's threads: hands `call` over to the loop.
  void End(UnderWay* call);

  EventLoop& loop_;
  const std::unique_ptr<v1::WorkerService::Stub> worker_;
  const std::unique_ptr<v1::RendezvousService::Stub> rendezvous_;

  std::mutex mutex_;
  std::condition_variable removed_;
  // Guarded by mutex_.
  std::map<UnderWay*, std::shared_ptr<UnderWay>> under_way_;
};

template <typename Stub, typename Request, typename Response>
void CoordinatorClient::Call(
    Stub* stub,
    void (Stub::*method)(grpc::ClientContext*, const Request*, Response*,
                         std::function<void(grpc::Status)>),
    const Request& request, absl::Duration timeout, Done<Response> done) {
  struct Unary final : UnderWay {
    Request request;
    Response response;
    grpc::Status status;
    Done<Response> done;

    void OnEnd() override {
      if (status.ok()) {
        done(std::move(response));
      } else {
        done(FromGrpcStatus(status));
      }
    }
  };
  auto owned = std::make_shared<Unary>();
  Unary* call = owned.get();
  call->request = request;
  call->done = std::move(done);
  call->context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  Add(std::move(owned));
  (stub->*method)(&call->context, &call->request, &call->response,
                  [this, call](grpc::Status status) {
                    call->status = std::move(status);
                    End(call);
                  });
}

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_COORDINATOR_CLIENT_H_
