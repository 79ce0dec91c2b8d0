#include "coordinator/rpc/job_service.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/core/assignment.h"
#include "coordinator/rpc/job_streams.h"
#include "coordinator/rpc/unary.h"
#include "proto/support/status_macros.h"

namespace autotp::rpc {
namespace {

absl::Status RequireNotNegative(const char* field, int64_t value) {
  if (value >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, "; must not be negative"));
}

// What a reader gets of a log file that no buffer holds any more.
constexpr int64_t kFileBytesMax = 8 << 20;

// The part of a rank's log that lies before what is buffered.
struct FilePart {
  std::string path;
  int32_t attempt = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

LogFilePart ReadFile(const FilePart& part) {
  LogFilePart read;
  read.attempt = part.attempt;
  std::ifstream file(part.path, std::ios::binary | std::ios::ate);
  if (!file) return read;
  read.end = std::min<int64_t>(part.end, file.tellg());
  if (read.end <= part.begin || !file.seekg(part.begin)) return read;
  read.bytes.resize(
      static_cast<size_t>(std::min(read.end - part.begin, kFileBytesMax)));
  file.read(read.bytes.data(), static_cast<std::streamsize>(read.bytes.size()));
  read.bytes.resize(static_cast<size_t>(file.gcount()));
  return read;
}

absl::StatusOr<FilePart> FilePartOf(const engine::View& view,
                                    const v1::TailJobLogsRequest& request) {
  AUTOTP_ASSIGN_OR_RETURN(const core::Job* job,
                          view.core.FindJob(request.name()));
  if (request.rank() < 0 || request.rank() >= job->spec().world_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank: ", request.rank(), "; ", job->name(), " has ",
                     job->spec().world_size(), " ranks"));
  }
  AUTOTP_RETURN_IF_ERROR(RequireNotNegative("offset", request.offset()));
  AUTOTP_RETURN_IF_ERROR(RequireNotNegative("attempt", request.attempt()));
  const int32_t newest = job->status().attempt();
  if (request.attempt() > newest) {
    return absl::NotFoundError(absl::StrCat("attempt: ", request.attempt(),
                                            "; the newest of ", job->name(),
                                            " is ", newest));
  }
  const int32_t attempt = request.attempt() > 0 ? request.attempt() : newest;
  const engine::LogBuffer* log =
      view.telemetry.logs.Find({job->name(), attempt, request.rank()});
  return FilePart{core::LogPath(*job, attempt, request.rank()), attempt,
                  request.offset(), log != nullptr ? log->begin() : INT64_MAX};
}

}  // namespace

grpc::ServerUnaryReactor* JobService::CreateJob(
    Context* context, const v1::CreateJobRequest* request, v1::Job* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  rpc::CreateJob(maker_, *request,
                 [reactor, response](absl::StatusOr<v1::Job> job) {
                   FinishWith(reactor, response, std::move(job));
                 });
  return reactor;
}

grpc::ServerUnaryReactor* JobService::ValidateJob(
    Context* context, const v1::ValidateJobRequest* request,
    v1::ValidateJobResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  rpc::ValidateJob(
      maker_, *request,
      [reactor, response](absl::StatusOr<v1::ValidateJobResponse> result) {
        FinishWith(reactor, response, std::move(result));
      });
  return reactor;
}

grpc::ServerUnaryReactor* JobService::GetJob(Context* context,
                                             const v1::GetJobRequest* request,
                                             v1::Job* response) {
  return Ask<v1::Job>(
      engine_, context, response,
      [request](const engine::View& view) -> absl::StatusOr<v1::Job> {
        AUTOTP_ASSIGN_OR_RETURN(const core::Job* job,
                                view.core.FindJob(request->name()));
        return view.core.ShowJob(*job);
      });
}

grpc::ServerUnaryReactor* JobService::ListJobs(
    Context* context, const v1::ListJobsRequest* request,
    v1::ListJobsResponse* response) {
  return Ask<v1::ListJobsResponse>(
      engine_, context, response,
      [request](
          const engine::View& view) -> absl::StatusOr<v1::ListJobsResponse> {
        AUTOTP_RETURN_IF_ERROR(
            RequireNotNegative("page_size", request->page_size()));
        return view.core.ListJobs(*request);
      });
}

grpc::ServerUnaryReactor* JobService::CancelJob(
    Context* context, const v1::CancelJobRequest* request, v1::Job* response) {
  return Change(engine_, context, request, response);
}

grpc::ServerUnaryReactor* JobService::ListJobEvents(
    Context* context, const v1::ListJobEventsRequest* request,
    v1::ListJobEventsResponse* response) {
  return Ask<v1::ListJobEventsResponse>(
      engine_, context, response,
      [request](const engine::View& view)
          -> absl::StatusOr<v1::ListJobEventsResponse> {
        AUTOTP_RETURN_IF_ERROR(
            RequireNotNegative("after_sequence", request->after_sequence()));
        return view.core.ListEvents(*request);
      });
}

JobService::Stream<v1::WatchJobResponse>* JobService::WatchJob(
    Context*, const v1::WatchJobRequest* request) {
  return PullStream<v1::WatchJobResponse>::Start(engine_,
                                                 WatchJobSteps(*request));
}

JobService::Stream<v1::StreamJobMetricsResponse>* JobService::StreamJobMetrics(
    Context*, const v1::StreamJobMetricsRequest* request) {
  using MetricsStream = PullStream<v1::StreamJobMetricsResponse>;
  const absl::Status valid =
      RequireNotNegative("after_step", request->after_step());
  if (valid.ok()) return MetricsStream::Start(engine_, MetricsSteps(*request));
  auto stream = MetricsStream::Make(engine_);
  stream->Refuse(valid);
  return stream.get();
}

JobService::Stream<v1::TailJobLogsResponse>* JobService::TailJobLogs(
    Context*, const v1::TailJobLogsRequest* request) {
  using LogStream = PullStream<v1::TailJobLogsResponse>;
  auto stream = LogStream::Make(engine_);
  // Where the file begins and ends is known to the engine, what is in it to
  // the disk: the stream starts when both have been asked.
  const auto fail = [stream](const absl::Status& status) {
    stream->Refuse(status);
  };
  const absl::Status posted = engine_.Ask(
      [this, stream, fail, request = *request](const engine::View& view) {
        const auto part = FilePartOf(view, request);
        if (!part.ok()) {
          fail(part.status());
          return;
        }
        const absl::Status queued =
            maker_.pool.Post([stream, request, part = *part] {
              stream->Begin(LogSteps(request, ReadFile(part)));
            });
        if (!queued.ok()) fail(queued);
      },
      fail);
  if (!posted.ok()) fail(posted);
  return stream.get();
}

grpc::ServerUnaryReactor* CheckpointService::ListCheckpoints(
    grpc::CallbackServerContext* context,
    const v1::ListCheckpointsRequest* request,
    v1::ListCheckpointsResponse* response) {
  return Ask<v1::ListCheckpointsResponse>(
      engine_, context, response, [request](const engine::View& view) {
        return view.core.ListCheckpoints(*request);
      });
}

grpc::ServerUnaryReactor* CheckpointService::TriggerCheckpoint(
    grpc::CallbackServerContext* context,
    const v1::TriggerCheckpointRequest* request,
    v1::TriggerCheckpointResponse* response) {
  return Change(engine_, context, request, response);
}

}  // namespace autotp::rpc
