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

void KeyWait::Start(const engine::View& view, const v1::GetKeyRequest* request,
                    v1::GetKeyResponse* response,
                    grpc::ServerUnaryReactor* reactor) {
  const absl::Duration wait =
      std::min(core::FromProtoDuration(request->wait()), kWaitMax);
  auto call =
      std::make_shared<KeyWait>(request, response, reactor, view.now + wait);
  call->self_ = call;
  call->Wake(view);
}

KeyWait::KeyWait(const v1::GetKeyRequest* request, v1::GetKeyResponse* response,
                 grpc::ServerUnaryReactor* reactor, absl::Time deadline)
    : request_(request),
      response_(response),
      reactor_(reactor),
      deadline_(deadline) {}

void KeyWait::Wake(const engine::View& view) {
  auto value = view.core.FindKey(*request_);
  if (!value.ok()) {
    Answer(value.status());
  } else if (value->has_value()) {
    response_->set_value(**std::move(value));
    Answer(absl::OkStatus());
  } else if (view.now >= deadline_) {
    Answer(absl::DeadlineExceededError(
        absl::StrCat("key ", request_->key(), " did not come")));
  } else {
    view.topics.Wait(engine::KeysTopic(request_->fence().job()), self_,
                     deadline_);
  }
}

void KeyWait::Answer(const absl::Status& status) {
  reactor_->Finish(ToGrpcStatus(status));
  self_.reset();
}

}  // namespace autotp::rpc
