// unary.h -- a unary call is an event for the engine; its answer ends it.
//
// gRPC keeps request and response valid until Finish(). Nothing here waits.
#ifndef AUTOTP_COORDINATOR_RPC_UNARY_H_
#define AUTOTP_COORDINATOR_RPC_UNARY_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "coordinator/engine/engine.h"
#include "proto/support/grpc_status.h"

namespace autotp::rpc {

template <typename Response>
void FinishWith(grpc::ServerUnaryReactor* reactor, Response* response,
                absl::StatusOr<Response> result) {
  if (result.ok()) *response = *std::move(result);
  reactor->Finish(ToGrpcStatus(result.status()));
}

// The request changes the coordinator's state.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* Change(engine::Engine& engine,
                                 grpc::CallbackServerContext* context,
                                 const Request* request, Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  engine.Change<Response>(*request,
                          [reactor, response](absl::StatusOr<Response> result) {
                            FinishWith(reactor, response, std::move(result));
                          });
  return reactor;
}

// The request only asks.
template <typename Response>
grpc::ServerUnaryReactor* Ask(
    engine::Engine& engine, grpc::CallbackServerContext* context,
    Response* response,
    std::function<absl::StatusOr<Response>(const engine::View&)> question) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto fail = [reactor](const absl::Status& status) {
    reactor->Finish(ToGrpcStatus(status));
  };
  const absl::Status posted = engine.Ask(
      [reactor, response,
       question = std::move(question)](const engine::View& view) {
        FinishWith(reactor, response, question(view));
      },
      fail);
  if (!posted.ok()) fail(posted);
  return reactor;
}

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_UNARY_H_
