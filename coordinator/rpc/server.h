// server.h -- the gRPC server: services, addresses, limits.
//
// Shutdown order is the owner's: stop the engine first (it answers all who
// wait), then the pool, then this.
#ifndef AUTOTP_COORDINATOR_RPC_SERVER_H_
#define AUTOTP_COORDINATOR_RPC_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/rpc/create_job.h"
#include "coordinator/rpc/job_service.h"
#include "coordinator/rpc/worker_service.h"

namespace autotp::rpc {

struct ServerOptions {
  // "unix:/path" or "host:port"; port 0 takes any that is free.
  std::vector<std::string> listen;
  std::string version;
};

class Server {
 public:
  // A unix socket is made with mode 0600.
  //   INVALID_ARGUMENT  nothing to listen on
  //   UNAVAILABLE       an address cannot be used
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      JobMaker maker, const ServerOptions& options);
  ~Server() { Shutdown(absl::ZeroDuration()); }

  // As in the options, ports filled in.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Takes no more calls; blocks up to `patience` for those under way, then
  // cancels them. Idempotent.
  void Shutdown(absl::Duration patience);

 private:
  Server(JobMaker maker, const std::string& version);

  const JobMaker maker_;
  JobService jobs_;
  CheckpointService checkpoints_;
  WorkerService workers_;
  RendezvousService rendezvous_;
  ClusterService cluster_;
  std::vector<std::string> addresses_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_SERVER_H_
