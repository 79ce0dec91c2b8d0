// job_client.h -- the coordinator's services as plain C++ calls.
//
// Flow: cli/ -> JobClient -> gRPC -> coordinator.
//
// Unary calls are tried again on UNAVAILABLE, with backoff, up to the client's
// `retry_for`. Watches reconnect the same way and go on where they were.
//
// Threading: any thread.
#ifndef AUTOTP_CLIENT_CPP_JOB_CLIENT_H_
#define AUTOTP_CLIENT_CPP_JOB_CLIENT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "autotp/v1/checkpoint_service.pb.h"
#include "autotp/v1/cluster_service.pb.h"
#include "autotp/v1/job_service.pb.h"

namespace autotp::client {

struct JobClientOptions {
  absl::Duration call_timeout = absl::Seconds(60);  // of one try
  // How long an unreachable coordinator is waited for.
  absl::Duration retry_for = absl::Seconds(30);
};

// Whether the job can change no more.
bool HasEnded(v1::JobState state);

// "jobs/NAME" of "NAME" or "jobs/NAME".
std::string JobName(const std::string& name);

class JobClient {
 public:
  // `address`: HOST:PORT or unix:PATH.
  JobClient(const std::string& address, const JobClientOptions& options);
  ~JobClient();

  // `tune`: rank the layouts of the job's world, too.
  absl::StatusOr<v1::ValidateJobResponse> Validate(
      const v1::JobSpec& spec,
      const std::optional<v1::TuneRequest>& tune = std::nullopt);
  // With a request id made here, so that a repeated try creates one job.
  absl::StatusOr<v1::Job> Create(const v1::JobSpec& spec,
                                 const std::string& job_id);
  absl::StatusOr<v1::Job> Get(const std::string& job);
  absl::StatusOr<std::vector<v1::Job>> List();
  absl::StatusOr<v1::Job> Cancel(const std::string& job,
                                 v1::CancelJobRequest::Mode mode);
  absl::StatusOr<std::vector<v1::JobEvent>> Events(const std::string& job);
  absl::StatusOr<std::vector<v1::Checkpoint>> Checkpoints(
      const std::string& job);
  absl::Status TriggerCheckpoint(const std::string& job);
  absl::StatusOr<std::vector<v1::Worker>> Workers();

  // The callbacks below end the call by returning false.

  // The job now and after every change, until it has ended; the last state.
  absl::StatusOr<v1::Job> Watch(
      const std::string& job,
      const std::function<bool(const v1::Job&)>& on_job);
  // Finished steps after `after_step`, in order. With `follow`, until the job
  // has ended. `dropped`: steps that the coordinator no longer holds.
  absl::Status Metrics(
      const std::string& job, int64_t after_step, bool follow,
      const std::function<bool(const v1::StepMetrics&)>& on_step,
      const std::function<void(int64_t dropped)>& on_gap);
  absl::Status Logs(
      const v1::TailJobLogsRequest& request,
      const std::function<bool(const v1::TailJobLogsResponse&)>& on_data);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace autotp::client

#endif  // AUTOTP_CLIENT_CPP_JOB_CLIENT_H_
