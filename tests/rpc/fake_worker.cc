#include "tests/rpc/fake_worker.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::testing {

using WorkerStub = v1::WorkerService::Stub;

v1::CreateJobRequest JobRequest(const TestServer& server,
                                const std::string& job_id, int world_size,
                                const std::string& config) {
  v1::CreateJobRequest request;
  request.set_job_id(job_id);
  v1::JobSpec& spec = *request.mutable_spec();
  spec.set_config_json(config);
  spec.mutable_model()->set_path("/models/tiny");
  spec.mutable_data()->set_path("/data/tokens.bin");
  spec.mutable_run()->set_max_steps(1'000'000);
  spec.mutable_run()->set_output_path(server.folder() / "out");
  spec.set_world_size(world_size);
  return request;
}

FakeWorker::FakeWorker(TestServer& server, std::string name,
                       std::string incarnation)
    : server_(server),
      name_(std::move(name)),
      incarnation_(std::move(incarnation)) {}

v1::RegisterWorkerRequest FakeWorker::Registration(int slots) const {
  v1::RegisterWorkerRequest request;
  request.mutable_fence()->set_worker(name_);
  request.mutable_fence()->set_incarnation(incarnation_);
  request.set_host("host");
  request.set_data_address("127.0.0.1");
  request.set_device("cpu");
  request.set_slots(slots);
  return request;
}

absl::Status FakeWorker::Register(int slots) {
  AUTOTP_ASSIGN_OR_RETURN(const v1::RegisterWorkerResponse response,
                          Call(server_.workers(), &WorkerStub::RegisterWorker,
                               Registration(slots)));
  fence_ = response.fence();
  return absl::OkStatus();
}

v1::Fence FakeWorker::FenceOf(const std::string& job, int attempt) const {
  v1::Fence fence = fence_;
  fence.set_job(job);
  fence.set_attempt(attempt);
  fence.set_group_epoch(attempt);
  return fence;
}

absl::Status FakeWorker::Heartbeat() {
  v1::HeartbeatRequest request;
  *request.mutable_fence() = fence_;
  return Call(server_.workers(), &WorkerStub::Heartbeat, request).status();
}

absl::StatusOr<v1::Assignment> FakeWorker::NextAssignment(
    int64_t after_generation) {
  v1::WatchAssignmentRequest request;
  *request.mutable_fence() = fence_;
  request.set_after_generation(after_generation);
  Stream<v1::WatchAssignmentResponse> stream(
      server_.workers(), &WorkerStub::WatchAssignment, request);
  auto response = stream.Next();
  if (!response) return stream.Finish();
  return std::move(*response->mutable_assignment());
}

absl::Status FakeWorker::Report(const std::string& job, int rank, State state,
                                int attempt) {
  v1::ReportTrainerRequest request;
  *request.mutable_fence() = FenceOf(job, attempt);
  request.set_rank(rank);
  request.set_state(state);
  return Call(server_.workers(), &WorkerStub::ReportTrainer, request).status();
}

absl::Status FakeWorker::Progress(const std::string& job, int64_t first,
                                  int64_t last, int attempt) {
  v1::ReportProgressRequest request;
  *request.mutable_fence() = FenceOf(job, attempt);
  for (int64_t step = first; step <= last; ++step) {
    v1::StepMetrics& metrics = *request.add_steps();
    metrics.set_step(step);
    metrics.set_loss(1.0 / static_cast<double>(step));
    metrics.set_tokens(8);
    metrics.set_step_seconds(0.5);
  }
  return Call(server_.workers(), &WorkerStub::ReportProgress, request).status();
}

absl::Status FakeWorker::UploadLog(const std::string& job, int rank,
                                   int64_t offset, const std::string& data,
                                   int attempt) {
  v1::UploadLogsRequest request;
  *request.mutable_fence() = FenceOf(job, attempt);
  request.set_rank(rank);
  request.set_offset(offset);
  request.set_data(data);
  return Call(server_.workers(), &WorkerStub::UploadLogs, request).status();
}

absl::Status FakeWorker::RunJob(const std::string& job_id, int world_size,
                                const std::string& config, int max_restarts) {
  v1::CreateJobRequest request =
      JobRequest(server_, job_id, world_size, config);
  request.mutable_spec()->set_max_restarts(max_restarts);
  AUTOTP_ASSIGN_OR_RETURN(
      const v1::Job job,
      Call(server_.jobs(), &v1::JobService::Stub::CreateJob, request));
  for (int rank = 0; rank < world_size; ++rank) {
    AUTOTP_RETURN_IF_ERROR(
        Report(job.name(), rank, v1::ReportTrainerRequest::STATE_READY));
  }
  return absl::OkStatus();
}

}  // namespace autotp::testing
