// worker_service.h -- WorkerService, RendezvousService and ClusterService:
// gRPC to events and back.
#ifndef AUTOTP_COORDINATOR_RPC_WORKER_SERVICE_H_
#define AUTOTP_COORDINATOR_RPC_WORKER_SERVICE_H_

#include <string>

#include "autotp/v1/cluster_service.grpc.pb.h"
#include "autotp/v1/rendezvous_service.grpc.pb.h"
#include "autotp/v1/worker_service.grpc.pb.h"
#include "coordinator/engine/engine.h"

namespace autotp::rpc {

class WorkerService final : public v1::WorkerService::CallbackService {
 public:
  explicit WorkerService(engine::Engine& engine) : engine_(engine) {}

  using Context = grpc::CallbackServerContext;

  grpc::ServerUnaryReactor* RegisterWorker(
      Context* context, const v1::RegisterWorkerRequest* request,
      v1::RegisterWorkerResponse* response) override;
  grpc::ServerUnaryReactor* Heartbeat(Context* context,
                                      const v1::HeartbeatRequest* request,
                                      v1::HeartbeatResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchAssignmentResponse>* WatchAssignment(
      Context* context, const v1::WatchAssignmentRequest* request) override;
  grpc::ServerUnaryReactor* ReportProgress(
      Context* context, const v1::ReportProgressRequest* request,
      v1::ReportProgressResponse* response) override;
  grpc::ServerUnaryReactor* ReportTrainer(
      Context* context, const v1::ReportTrainerRequest* request,
      v1::ReportTrainerResponse* response) override;
  grpc::ServerUnaryReactor* BeginCheckpoint(
      Context* context, const v1::BeginCheckpointRequest* request,
      v1::BeginCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* ReportPart(
      Context* context, const v1::ReportPartRequest* request,
      v1::ReportPartResponse* response) override;
  grpc::ServerUnaryReactor* CommitCheckpoint(
      Context* context, const v1::CommitCheckpointRequest* request,
      v1::CommitCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* UploadLogs(
      Context* context, const v1::UploadLogsRequest* request,
      v1::UploadLogsResponse* response) override;
  grpc::ServerUnaryReactor* DeregisterWorker(
      Context* context, const v1::DeregisterWorkerRequest* request,
      v1::DeregisterWorkerResponse* response) override;

 private:
  engine::Engine& engine_;
};

class RendezvousService final : public v1::RendezvousService::CallbackService {
 public:
  explicit RendezvousService(engine::Engine& engine) : engine_(engine) {}

  grpc::ServerUnaryReactor* SetKey(grpc::CallbackServerContext* context,
                                   const v1::SetKeyRequest* request,
                                   v1::SetKeyResponse* response) override;
  grpc::ServerUnaryReactor* GetKey(grpc::CallbackServerContext* context,
                                   const v1::GetKeyRequest* request,
                                   v1::GetKeyResponse* response) override;

 private:
  engine::Engine& engine_;
};

class ClusterService final : public v1::ClusterService::CallbackService {
 public:
  ClusterService(engine::Engine& engine, std::string version)
      : engine_(engine), version_(std::move(version)) {}

  grpc::ServerUnaryReactor* GetCluster(grpc::CallbackServerContext* context,
                                       const v1::GetClusterRequest* request,
                                       v1::Cluster* response) override;
  grpc::ServerUnaryReactor* ListWorkers(
      grpc::CallbackServerContext* context,
      const v1::ListWorkersRequest* request,
      v1::ListWorkersResponse* response) override;

 private:
  engine::Engine& engine_;
  const std::string version_;
};

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_WORKER_SERVICE_H_
