#include "coordinator/rpc/job_service.h"

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

// What a reader gets of a log file that no buffer holds any more.
constexpr int64_t kFileBytesMax = 8 << 20;

std::string ReadFile(const std::string& path, int64_t begin, int64_t end) {
  std::ifstream file(path, std::ios::binary);
  if (!file || !file.seekg(begin)) return "";
  std::string bytes(static_cast<size_t>(std::min(end - begin, kFileBytesMax)),
                    '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(file.gcount()));
  return bytes;
}

// The part of a rank's log that lies before what is buffered.
struct FilePart {
  std::string path;
  int64_t begin = 0;
  int64_t end = 0;
};

absl::StatusOr<FilePart> FilePartOf(const engine::View& view,
                                    const v1::TailJobLogsRequest& request) {
  AUTOTP_ASSIGN_OR_RETURN(const core::Job* job,
                          view.core.FindJob(request.name()));
  if (request.rank() < 0 || request.rank() >= job->spec().world_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank: ", request.rank(), "; ", job->name(), " has ",
                     job->spec().world_size(), " ranks"));
  }
  if (request.offset() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("offset: ", request.offset()));
  }
  const int32_t attempt =
      request.attempt() > 0 ? request.attempt() : job->status().attempt();
  const engine::LogBuffer* log =
      view.telemetry.logs.Find({job->name(), attempt, request.rank()});
  const int64_t end = log != nullptr ? log->begin() : INT64_MAX;
  return FilePart{core::LogPath(*job, attempt, request.rank()),
                  request.offset(), std::max(end, request.offset())};
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
  return Ask<v1::ListJobsResponse>(engine_, context, response,
                                   [request](const engine::View& view) {
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
  return Ask<v1::ListJobEventsResponse>(engine_, context, response,
                                        [request](const engine::View& view) {
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
  return PullStream<v1::StreamJobMetricsResponse>::Start(
      engine_, MetricsSteps(*request));
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
              stream->Begin(
                  LogSteps(request, ReadFile(part.path, part.begin, part.end)));
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
