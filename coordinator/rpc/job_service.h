// job_service.h -- JobService and CheckpointService: gRPC to events and back.
#ifndef AUTOTP_COORDINATOR_RPC_JOB_SERVICE_H_
#define AUTOTP_COORDINATOR_RPC_JOB_SERVICE_H_

#include "autotp/v1/checkpoint_service.grpc.pb.h"
#include "autotp/v1/job_service.grpc.pb.h"
#include "coordinator/rpc/create_job.h"

namespace autotp::rpc {

class JobService final : public v1::JobService::CallbackService {
 public:
  // `maker` outlives the service.
  explicit JobService(const JobMaker& maker)
      : maker_(maker), engine_(maker.engine) {}

  using Context = grpc::CallbackServerContext;
  template <typename Response>
  using Stream = grpc::ServerWriteReactor<Response>;

  grpc::ServerUnaryReactor* CreateJob(Context* context,
                                      const v1::CreateJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* ValidateJob(
      Context* context, const v1::ValidateJobRequest* request,
      v1::ValidateJobResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(Context* context,
                                   const v1::GetJobRequest* request,
                                   v1::Job* response) override;
  grpc::ServerUnaryReactor* ListJobs(Context* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(Context* context,
                                      const v1::CancelJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* ListJobEvents(
      Context* context, const v1::ListJobEventsRequest* request,
      v1::ListJobEventsResponse* response) override;
  Stream<v1::WatchJobResponse>* WatchJob(
      Context* context, const v1::WatchJobRequest* request) override;
  Stream<v1::StreamJobMetricsResponse>* StreamJobMetrics(
      Context* context, const v1::StreamJobMetricsRequest* request) override;
  Stream<v1::TailJobLogsResponse>* TailJobLogs(
      Context* context, const v1::TailJobLogsRequest* request) override;

 private:
  const JobMaker& maker_;
  engine::Engine& engine_;
};

class CheckpointService final : public v1::CheckpointService::CallbackService {
 public:
  explicit CheckpointService(engine::Engine& engine) : engine_(engine) {}

  grpc::ServerUnaryReactor* ListCheckpoints(
      grpc::CallbackServerContext* context,
      const v1::ListCheckpointsRequest* request,
      v1::ListCheckpointsResponse* response) override;
  grpc::ServerUnaryReactor* TriggerCheckpoint(
      grpc::CallbackServerContext* context,
      const v1::TriggerCheckpointRequest* request,
      v1::TriggerCheckpointResponse* response) override;

 private:
  engine::Engine& engine_;
};

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_JOB_SERVICE_H_
