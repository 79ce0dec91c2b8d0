#include "client/cpp/job_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "autotp/v1/checkpoint_service.grpc.pb.h"
#include "autotp/v1/cluster_service.grpc.pb.h"
#include "autotp/v1/job_service.grpc.pb.h"
#include "proto/support/grpc_status.h"
#include "proto/support/status_macros.h"

namespace autotp::client {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(50);
constexpr absl::Duration kLongestBackoff = absl::Seconds(2);
constexpr int kMessageBytesMax = 256 << 20;  // the plan of a large model

// Unique among all callers: a request that is sent twice creates one job.
std::string NewRequestId() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x%08x", device(), device(), device(),
                         device());
}

void SetDeadline(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
}

// Waits between tries, longer each time, and says when to give up.
class Backoff {
 public:
  Backoff(grpc::Channel& channel, absl::Duration retry_for)
      : channel_(channel),
        give_up_(absl::Now() + retry_for),
        retry_for_(retry_for) {}

  // False once the time is over. A channel connects again only while
  // somebody waits for it: calls that fail at once would see the first
  // failure for ever.
  bool Wait() {
    const absl::Time next_try = absl::Now() + next_;
    if (next_try > give_up_) return false;
    absl::SleepFor(next_);
    next_ = std::min(2 * next_, kLongestBackoff);
    return channel_.WaitForConnected(absl::ToChronoTime(give_up_));
  }
  void Reset() {
    next_ = kFirstBackoff;
    give_up_ = absl::Now() + retry_for_;
  }

 private:
  grpc::Channel& channel_;
  absl::Time give_up_;
  absl::Duration retry_for_;
  absl::Duration next_ = kFirstBackoff;
};

}  // namespace

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

std::string JobName(const std::string& name) {
  return absl::StartsWith(name, "jobs/") ? name : absl::StrCat("jobs/", name);
}

class JobClient::Impl {
 public:
  Impl(const std::string& address, const JobClientOptions& options)
      : options_(options), address_(address) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
    arguments.SetMaxSendMessageSize(kMessageBytesMax);
    // A coordinator that has just been started is found at once.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    channel_ = grpc::CreateCustomChannel(
        address, grpc::InsecureChannelCredentials(), arguments);
    jobs = v1::JobService::NewStub(channel_);
    checkpoints = v1::CheckpointService::NewStub(channel_);
    cluster = v1::ClusterService::NewStub(channel_);
  }

  // `call`: grpc::Status(grpc::ClientContext*, Response*).
  template <typename Response, typename Call>
  absl::StatusOr<Response> Unary(const Call& call) {
    Backoff backoff(*channel_, options_.retry_for);
    while (true) {
      grpc::ClientContext context;
      SetDeadline(context, options_.call_timeout);
      Response response;
      const absl::Status status = FromGrpcStatus(call(&context, &response));
      if (status.ok()) return response;
      if (!absl::IsUnavailable(status) || !backoff.Wait())
        return Explain(status);
    }
  }

  // Reads streams until one ends in order, `on_response` returns false, or
  // the coordinator stays away. `open` starts where the last one stopped.
  template <typename Response, typename Open, typename OnResponse>
  absl::Status Stream(const Open& open, const OnResponse& on_response) {
    Backoff backoff(*channel_, options_.retry_for);
    while (true) {
      grpc::ClientContext context;
      const auto stream = open(&context);
      Response response;
      bool wanted = true;
      while (wanted && stream->Read(&response)) {
        backoff.Reset();
        wanted = on_response(response);
      }
      if (!wanted) context.TryCancel();
      const absl::Status status = FromGrpcStatus(stream->Finish());
      if (!wanted || status.ok()) return absl::OkStatus();
      if (!absl::IsUnavailable(status) || !backoff.Wait())
        return Explain(status);
    }
  }

  std::unique_ptr<v1::JobService::Stub> jobs;
  std::unique_ptr<v1::CheckpointService::Stub> checkpoints;
  std::unique_ptr<v1::ClusterService::Stub> cluster;

 private:
  absl::Status Explain(const absl::Status& status) const {
    if (!absl::IsUnavailable(status)) return status;
    return Annotate(status,
                    absl::StrCat("no coordinator answers at ", address_));
  }

  const JobClientOptions options_;
  const std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
};

JobClient::JobClient(const std::string& address,
                     const JobClientOptions& options)
    : impl_(std::make_unique<Impl>(address, options)) {}

JobClient::~JobClient() = default;

absl::StatusOr<v1::ValidateJobResponse> JobClient::Validate(
    const v1::JobSpec& spec, const std::optional<v1::TuneRequest>& tune) {
  v1::ValidateJobRequest request;
  *request.mutable_spec() = spec;
  if (tune.has_value()) *request.mutable_tune() = *tune;
  return impl_->Unary<v1::ValidateJobResponse>(
      [&](grpc::ClientContext* context, v1::ValidateJobResponse* response) {
        return impl_->jobs->ValidateJob(context, request, response);
      });
}

absl::StatusOr<v1::Job> JobClient::Create(const v1::JobSpec& spec,
                                          const std::string& job_id) {
  v1::CreateJobRequest request;
  *request.mutable_spec() = spec;
  request.set_job_id(job_id);
  request.set_request_id(NewRequestId());
  return impl_->Unary<v1::Job>([&](grpc::ClientContext* context, v1::Job* job) {
    return impl_->jobs->CreateJob(context, request, job);
  });
}

absl::StatusOr<v1::Job> JobClient::Get(const std::string& job) {
  v1::GetJobRequest request;
  request.set_name(JobName(job));
  return impl_->Unary<v1::Job>(
      [&](grpc::ClientContext* context, v1::Job* response) {
        return impl_->jobs->GetJob(context, request, response);
      });
}

absl::StatusOr<std::vector<v1::Job>> JobClient::List() {
  std::vector<v1::Job> jobs;
  v1::ListJobsRequest request;
  do {
    AUTOTP_ASSIGN_OR_RETURN(
        const v1::ListJobsResponse page,
        impl_->Unary<v1::ListJobsResponse>(
            [&](grpc::ClientContext* context, v1::ListJobsResponse* response) {
              return impl_->jobs->ListJobs(context, request, response);
            }));
    jobs.insert(jobs.end(), page.jobs().begin(), page.jobs().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return jobs;
}

absl::StatusOr<v1::Job> JobClient::Cancel(const std::string& job,
                                          v1::CancelJobRequest::Mode mode) {
  v1::CancelJobRequest request;
  request.set_name(JobName(job));
  request.set_mode(mode);
  return impl_->Unary<v1::Job>(
      [&](grpc::ClientContext* context, v1::Job* response) {
        return impl_->jobs->CancelJob(context, request, response);
      });
}

absl::StatusOr<std::vector<v1::JobEvent>> JobClient::Events(
    const std::string& job) {
  v1::ListJobEventsRequest request;
  request.set_name(JobName(job));
  AUTOTP_ASSIGN_OR_RETURN(
      const v1::ListJobEventsResponse response,
      impl_->Unary<v1::ListJobEventsResponse>(
          [&](grpc::ClientContext* context, v1::ListJobEventsResponse* answer) {
            return impl_->jobs->ListJobEvents(context, request, answer);
          }));
  return std::vector<v1::JobEvent>(response.events().begin(),
                                   response.events().end());
}

absl::StatusOr<std::vector<v1::Checkpoint>> JobClient::Checkpoints(
    const std::string& job) {
  v1::ListCheckpointsRequest request;
  request.set_job(JobName(job));
  AUTOTP_ASSIGN_OR_RETURN(const v1::ListCheckpointsResponse response,
                          impl_->Unary<v1::ListCheckpointsResponse>(
                              [&](grpc::ClientContext* context,
                                  v1::ListCheckpointsResponse* answer) {
                                return impl_->checkpoints->ListCheckpoints(
                                    context, request, answer);
                              }));
  return std::vector<v1::Checkpoint>(response.checkpoints().begin(),
                                     response.checkpoints().end());
}

absl::Status JobClient::TriggerCheckpoint(const std::string& job) {
  v1::TriggerCheckpointRequest request;
  request.set_job(JobName(job));
  return impl_
      ->Unary<v1::TriggerCheckpointResponse>(
          [&](grpc::ClientContext* context,
              v1::TriggerCheckpointResponse* answer) {
            return impl_->checkpoints->TriggerCheckpoint(context, request,
                                                         answer);
          })
      .status();
}

absl::StatusOr<std::vector<v1::Worker>> JobClient::Workers() {
  AUTOTP_ASSIGN_OR_RETURN(
      const v1::ListWorkersResponse response,
      impl_->Unary<v1::ListWorkersResponse>(
          [&](grpc::ClientContext* context, v1::ListWorkersResponse* answer) {
            return impl_->cluster->ListWorkers(context, {}, answer);
          }));
  return std::vector<v1::Worker>(response.workers().begin(),
                                 response.workers().end());
}

absl::StatusOr<v1::Job> JobClient::Watch(
    const std::string& job, const std::function<bool(const v1::Job&)>& on_job) {
  v1::WatchJobRequest request;
  request.set_name(JobName(job));
  v1::Job last;
  AUTOTP_RETURN_IF_ERROR(impl_->Stream<v1::WatchJobResponse>(
      [&](grpc::ClientContext* context) {
        return impl_->jobs->WatchJob(context, request);
      },
      [&](const v1::WatchJobResponse& response) {
        last = response.job();
        return on_job(last);
      }));
  return last;
}

absl::Status JobClient::Metrics(
    const std::string& job, int64_t after_step, bool follow,
    const std::function<bool(const v1::StepMetrics&)>& on_step,
    const std::function<void(int64_t dropped)>& on_gap) {
  v1::StreamJobMetricsRequest request;
  request.set_name(JobName(job));
  request.set_after_step(after_step);
  request.set_follow(follow);
  return impl_->Stream<v1::StreamJobMetricsResponse>(
      [&](grpc::ClientContext* context) {
        return impl_->jobs->StreamJobMetrics(context, request);
      },
      [&](const v1::StreamJobMetricsResponse& response) {
        if (response.dropped_steps() > 0) on_gap(response.dropped_steps());
        for (const v1::StepMetrics& step : response.steps()) {
          request.set_after_step(step.step());
          if (!on_step(step)) return false;
        }
        return true;
      });
}

absl::Status JobClient::Logs(
    const v1::TailJobLogsRequest& wanted,
    const std::function<bool(const v1::TailJobLogsResponse&)>& on_data) {
  v1::TailJobLogsRequest request = wanted;
  request.set_name(JobName(wanted.name()));
  return impl_->Stream<v1::TailJobLogsResponse>(
      [&](grpc::ClientContext* context) {
        return impl_->jobs->TailJobLogs(context, request);
      },
      [&](const v1::TailJobLogsResponse& response) {
        request.set_offset(response.offset() +
                           static_cast<int64_t>(response.data().size()));
        return on_data(response);
      });
}

}  // namespace autotp::client
