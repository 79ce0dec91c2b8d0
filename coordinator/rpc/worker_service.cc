#include "coordinator/rpc/worker_service.h"

#include <utility>

#include "coordinator/rpc/key_wait.h"
#include "coordinator/rpc/pull_stream.h"
#include "coordinator/rpc/unary.h"

namespace autotp::rpc {

grpc::ServerUnaryReactor* WorkerService::RegisterWorker(
    Context* context, const v1::RegisterWorkerRequest* request,
    v1::RegisterWorkerResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* WorkerService::Heartbeat(
    Context* context, const v1::HeartbeatRequest* request,
    v1::HeartbeatResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerWriteReactor<v1::WatchAssignmentResponse>*
WorkerService::WatchAssignment(Context*,
                               const v1::WatchAssignmentRequest* request) {
  using Step = NextStep<v1::WatchAssignmentResponse>;
  return PullStream<v1::WatchAssignmentResponse>::Start(
      engine_, [fence = request->fence(), after = request->after_generation()](
                   const engine::View& view) mutable {
        auto assignment = view.core.AssignmentAfter(fence, after);
        if (!assignment.ok()) return Step::End(assignment.status());
        if (!assignment->has_value()) {
          return Step::Wait(engine::WorkerTopic(fence.worker()));
        }
        after = (*assignment)->generation();
        v1::WatchAssignmentResponse response;
        *response.mutable_assignment() = **std::move(assignment);
        return Step::Send(std::move(response));
      });
}

grpc::ServerUnaryReactor* WorkerService::ReportProgress(
    Context* context, const v1::ReportProgressRequest* request,
    v1::ReportProgressResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* WorkerService::ReportTrainer(
    Context* context, const v1::ReportTrainerRequest* request,
    v1::ReportTrainerResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* WorkerService::BeginCheckpoint(
    Context* context, const v1::BeginCheckpointRequest* request,
    v1::BeginCheckpointResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* WorkerService::ReportPart(
    Context* context, const v1::ReportPartRequest* request,
    v1::ReportPartResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* WorkerService::CommitCheckpoint(
    Context* context, const v1::CommitCheckpointRequest* request,
    v1::CommitCheckpointResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* WorkerService::UploadLogs(
    Context* context, const v1::UploadLogsRequest* request,
    v1::UploadLogsResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* WorkerService::DeregisterWorker(
    Context* context, const v1::DeregisterWorkerRequest* request,
    v1::DeregisterWorkerResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* RendezvousService::SetKey(
    grpc::CallbackServerContext* context, const v1::SetKeyRequest* request,
    v1::SetKeyResponse* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* RendezvousService::GetKey(
    grpc::CallbackServerContext*, const v1::GetKeyRequest* request,
    v1::GetKeyResponse* response) {
  return KeyWait::Start(engine_, request, response);
}

grpc::ServerUnaryReactor* ClusterService::GetCluster(
    grpc::CallbackServerContext* context, const v1::GetClusterRequest*,
    v1::Cluster* response) {
  return Ask<v1::Cluster>(
      engine_, context, response, [this](const engine::View& view) {
        v1::Cluster cluster = view.core.ShowCluster(view.now);
        cluster.set_version(version_);
        return cluster;
      });
}

grpc::ServerUnaryReactor* ClusterService::ListWorkers(
    grpc::CallbackServerContext* context, const v1::ListWorkersRequest*,
    v1::ListWorkersResponse* response) {
  return Ask<v1::ListWorkersResponse>(
      engine_, context, response,
      [](const engine::View& view) { return view.core.ListWorkers(view.now); });
}

}  // namespace autotp::rpc
