#include "tests/support/cluster.h"

#include <grpcpp/grpcpp.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "proto/support/grpc_status.h"
#include "proto/support/status_macros.h"

namespace autotp::testing {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(30);

std::unique_ptr<grpc::ClientContext> ContextFor(absl::Duration timeout) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  context->set_wait_for_ready(true);
  return context;
}

bool Ended(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

}  // namespace

Cluster::Cluster(int slots)
    : slots_(slots),
      address_(absl::StrCat("unix:", folder_ / "coordinator.sock")) {
  RestartCoordinator();
  RestartWorker();
  auto channel =
      grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
  jobs_ = v1::JobService::NewStub(channel);
  checkpoints_ = v1::CheckpointService::NewStub(channel);
}

void Cluster::RestartCoordinator() {
  coordinator_ = std::make_unique<Subprocess>(
      std::vector<std::string>{ProgramPath("autotp-coordinator"), "--state-dir",
                               folder_ / "state", "--listen", address_});
}

void Cluster::RestartWorker() {
  worker_ = std::make_unique<Subprocess>(std::vector<std::string>{
      ProgramPath("autotp-worker"), "--coordinator", address_, "--slots",
      absl::StrCat(slots_), "--name", "worker"});
}

std::string Cluster::NewFolder(const std::string& name) {
  const std::string path = folder_ / name;
  std::filesystem::create_directories(path);
  return path;
}

absl::StatusOr<v1::Job> Cluster::Create(const v1::JobSpec& spec) {
  v1::CreateJobRequest request;
  *request.mutable_spec() = spec;
  v1::Job job;
  AUTOTP_RETURN_IF_ERROR(FromGrpcStatus(
      jobs_->CreateJob(ContextFor(kCallTimeout).get(), request, &job)));
  return job;
}

absl::StatusOr<JobOutcome> Cluster::WaitForEnd(const std::string& job,
                                               absl::Duration timeout) {
  JobOutcome outcome;
  v1::WatchJobRequest watch;
  watch.set_name(job);
  auto context = ContextFor(timeout);
  auto stream = jobs_->WatchJob(context.get(), watch);
  v1::WatchJobResponse response;
  while (stream->Read(&response)) outcome.job = response.job();
  AUTOTP_RETURN_IF_ERROR(FromGrpcStatus(stream->Finish()));
  if (!Ended(outcome.job.status().state())) {
    return absl::InternalError("the watch ended before the job");
  }
  v1::StreamJobMetricsRequest metrics;
  metrics.set_name(job);
  auto metrics_context = ContextFor(kCallTimeout);
  auto steps = jobs_->StreamJobMetrics(metrics_context.get(), metrics);
  v1::StreamJobMetricsResponse part;
  while (steps->Read(&part)) {
    outcome.steps.insert(outcome.steps.end(), part.steps().begin(),
                         part.steps().end());
  }
  AUTOTP_RETURN_IF_ERROR(FromGrpcStatus(steps->Finish()));
  return outcome;
}

absl::StatusOr<JobOutcome> Cluster::Run(const v1::JobSpec& spec,
                                        absl::Duration timeout) {
  AUTOTP_ASSIGN_OR_RETURN(const v1::Job job, Create(spec));
  return WaitForEnd(job.name(), timeout);
}

std::string Cluster::Logs() const {
  return absl::StrCat("coordinator:\n", coordinator_->Errors(),
                      coordinator_->Output(), "worker:\n", worker_->Errors(),
                      worker_->Output());
}

}  // namespace autotp::testing
