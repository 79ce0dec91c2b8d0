// pull_stream.h -- a server stream that fetches its next message when the
// client has taken the last one.
//
// Flow: `next` looks at the state, on the engine's thread, and says what to
// send, what to wait for, or that the stream ends. Between messages nothing
// is queued: a slow reader costs one message of memory and misses nothing
// that its cursor can still reach.
//
// Threading: writes start on the engine's thread only; gRPC's callbacks post
// back to it. The object owns itself until OnDone().
#ifndef AUTOTP_COORDINATOR_RPC_PULL_STREAM_H_
#define AUTOTP_COORDINATOR_RPC_PULL_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/engine/engine.h"
#include "proto/support/grpc_status.h"

namespace autotp::rpc {

template <typename Response>
struct NextStep {
  static NextStep Send(Response response) {
    NextStep step;
    step.response = std::move(response);
    return step;
  }
  // For the topic to change, or for `patience` to pass.
  static NextStep Wait(std::string topic,
                       absl::Duration patience = absl::Seconds(30)) {
    NextStep step;
    step.topic = std::move(topic);
    step.patience = patience;
    return step;
  }
  static NextStep End(absl::Status status) {
    NextStep step;
    step.end = std::move(status);
    return step;
  }

  std::optional<Response> response;
  std::string topic;
  absl::Duration patience;
  absl::Status end;
};

template <typename Response>
class PullStream final : public grpc::ServerWriteReactor<Response>,
                         public engine::Waiter {
 public:
  using Next = std::function<NextStep<Response>(const engine::View&)>;

  static grpc::ServerWriteReactor<Response>* Start(engine::Engine& engine,
                                                   Next next) {
    auto stream = Make(engine);
    stream->Begin(std::move(next));
    return stream.get();
  }

  // A stream that has nothing to send yet: Begin() or Refuse() follows.
  static std::shared_ptr<PullStream> Make(engine::Engine& engine) {
    auto stream = std::make_shared<PullStream>(engine);
    stream->self_ = stream;
    return stream;
  }
  void Begin(Next next) {
    next_ = std::move(next);
    begun_ = true;
    PostAdvance();
  }
  void Refuse(const absl::Status& status) { FinishOnce(status); }

  explicit PullStream(engine::Engine& engine) : engine_(engine) {}

  void Wake(const engine::View& view) override { Advance(view); }
  void Stop(const absl::Status& why) override { FinishOnce(why); }

  void OnWriteDone(bool ok) override {
    if (!ok) cancelled_ = true;
    writing_ = false;
    PostAdvance();
  }
  void OnCancel() override {
    cancelled_ = true;
    // If posting fails the engine is stopping or busy: the stream is finished
    // by its next wake-up, which has a deadline.
    engine_.Ask(AdvanceSelf(), [](const absl::Status&) {}).IgnoreError();
  }
  void OnDone() override { self_.reset(); }

 private:
  std::function<void(const engine::View&)> AdvanceSelf() {
    return
        [self = this->self_](const engine::View& view) { self->Advance(view); };
  }

  // Only while nothing else drives the stream: at its start, after a write.
  void PostAdvance() {
    const absl::Status posted = engine_.Ask(
        AdvanceSelf(), [self = this->self_](const absl::Status& status) {
          self->FinishOnce(status);
        });
    if (!posted.ok()) FinishOnce(posted);
  }

  void Advance(const engine::View& view) {
    if (finished_ || writing_ || !begun_) return;
    if (cancelled_) {
      FinishOnce(absl::CancelledError("the client has left"));
      return;
    }
    NextStep<Response> step = next_(view);
    if (step.response) {
      response_ = *std::move(step.response);
      writing_ = true;
      this->StartWrite(&response_);
    } else if (!step.topic.empty()) {
      const absl::Status waits =
          view.topics.Wait(step.topic, self_, view.now + step.patience);
      if (!waits.ok()) FinishOnce(waits);
    } else {
      FinishOnce(step.end);
    }
  }

  void FinishOnce(const absl::Status& status) {
    if (!finished_.exchange(true)) this->Finish(ToGrpcStatus(status));
  }

  engine::Engine& engine_;
  Next next_;                         // set before begun_
  std::shared_ptr<PullStream> self_;  // until OnDone()
  Response response_;                 // of the write under way
  std::atomic<bool> begun_ = false;
  std::atomic<bool> writing_ = false;
  std::atomic<bool> cancelled_ = false;
  std::atomic<bool> finished_ = false;
};

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_PULL_STREAM_H_
