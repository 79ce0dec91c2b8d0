// key_wait.h -- one GetKey call that waits for its key.
//
// It ends when the key is there, the attempt is over, its own deadline has
// passed, the client has left, or the engine stops.
//
// Threading: the engine's thread; gRPC's callbacks only post to it. The object
// owns itself until OnDone().
#ifndef AUTOTP_COORDINATOR_RPC_KEY_WAIT_H_
#define AUTOTP_COORDINATOR_RPC_KEY_WAIT_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>

#include "absl/time/time.h"
#include "autotp/v1/rendezvous_service.pb.h"
#include "coordinator/engine/engine.h"

namespace autotp::rpc {

class KeyWait final : public grpc::ServerUnaryReactor, public engine::Waiter {
 public:
  // `request` and `response` are valid until the call is finished.
  static grpc::ServerUnaryReactor* Start(engine::Engine& engine,
                                         const v1::GetKeyRequest* request,
                                         v1::GetKeyResponse* response);

  KeyWait(engine::Engine& engine, const v1::GetKeyRequest* request,
          v1::GetKeyResponse* response)
      : engine_(engine), request_(request), response_(response) {}

  void Wake(const engine::View& view) override;
  void Stop(const absl::Status& why) override { FinishOnce(why); }

  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  void Begin(const engine::View& view);
  void FinishOnce(const absl::Status& status);

  engine::Engine& engine_;
  const v1::GetKeyRequest* request_;
  v1::GetKeyResponse* response_;
  absl::Time deadline_;            // set when it begins
  std::shared_ptr<KeyWait> self_;  // until OnDone()
  bool begun_ = false;             // engine thread only
  std::atomic<bool> cancelled_ = false;
  std::atomic<bool> finished_ = false;
};

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_KEY_WAIT_H_
