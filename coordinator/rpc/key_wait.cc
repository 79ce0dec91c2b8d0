#include "coordinator/rpc/key_wait.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/core/time_proto.h"
#include "proto/support/grpc_status.h"

namespace autotp::rpc {
namespace {

constexpr absl::Duration kWaitMax = absl::Minutes(10);

}  // namespace

grpc::ServerUnaryReactor* KeyWait::Start(engine::Engine& engine,
                                         const v1::GetKeyRequest* request,
                                         v1::GetKeyResponse* response) {
  auto call = std::make_shared<KeyWait>(engine, request, response);
  call->self_ = call;
  const absl::Status posted = engine.Ask(
      [call](const engine::View& view) { call->Begin(view); },
      [call](const absl::Status& status) { call->FinishOnce(status); });
  if (!posted.ok()) call->FinishOnce(posted);
  return call.get();
}

void KeyWait::Begin(const engine::View& view) {
  begun_ = true;
  deadline_ =
      view.now + std::min(core::FromProtoDuration(request_->wait()), kWaitMax);
  if (request_->key().empty()) {
    FinishOnce(absl::InvalidArgumentError("key: empty"));
    return;
  }
  Wake(view);
}

void KeyWait::Wake(const engine::View& view) {
  if (!begun_ || finished_) return;
  if (cancelled_) {
    FinishOnce(absl::CancelledError("the client has left"));
    return;
  }
  auto value = view.core.FindKey(*request_);
  if (!value.ok()) {
    FinishOnce(value.status());
  } else if (value->has_value()) {
    response_->set_value(**std::move(value));
    FinishOnce(absl::OkStatus());
  } else if (view.now >= deadline_) {
    FinishOnce(absl::DeadlineExceededError(
        absl::StrCat("key ", request_->key(), " did not come")));
  } else {
    const absl::Status waits = view.topics.Wait(
        engine::KeysTopic(request_->fence().job()), self_, deadline_);
    if (!waits.ok()) FinishOnce(waits);
  }
}

void KeyWait::OnCancel() {
  cancelled_ = true;
  // If posting fails the call is finished by its next wake-up, which has a
  // deadline.
  engine_
      .Ask([call = self_](const engine::View& view) { call->Wake(view); },
           [](const absl::Status&) {})
      .IgnoreError();
}

void KeyWait::FinishOnce(const absl::Status& status) {
  if (!finished_.exchange(true)) Finish(ToGrpcStatus(status));
}

}  // namespace autotp::rpc
