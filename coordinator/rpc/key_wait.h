// key_wait.h -- one GetKey call that waits for its key.
//
// Threading: engine thread only. The object owns itself until it has answered.
#ifndef AUTOTP_COORDINATOR_RPC_KEY_WAIT_H_
#define AUTOTP_COORDINATOR_RPC_KEY_WAIT_H_

#include <grpcpp/grpcpp.h>

#include <memory>

#include "absl/time/time.h"
#include "autotp/v1/rendezvous_service.pb.h"
#include "coordinator/engine/engine.h"

namespace autotp::rpc {

class KeyWait final : public engine::Waiter {
 public:
  // `request` and `response` are valid until the reactor is finished.
  static void Start(const engine::View& view, const v1::GetKeyRequest* request,
                    v1::GetKeyResponse* response,
                    grpc::ServerUnaryReactor* reactor);

  KeyWait(const v1::GetKeyRequest* request, v1::GetKeyResponse* response,
          grpc::ServerUnaryReactor* reactor, absl::Time deadline);

  void Wake(const engine::View& view) override;
  void Stop(const absl::Status& why) override { Answer(why); }

 private:
  void Answer(const absl::Status& status);

  const v1::GetKeyRequest* request_;
  v1::GetKeyResponse* response_;
  grpc::ServerUnaryReactor* reactor_;
  const absl::Time deadline_;
  std::shared_ptr<KeyWait> self_;  // until it has answered
};

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_KEY_WAIT_H_
