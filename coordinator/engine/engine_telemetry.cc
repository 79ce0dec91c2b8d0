#include "coordinator/core/fence.h"
#include "coordinator/engine/engine.h"
#include "proto/support/status_macros.h"

namespace autotp::engine {
namespace {

constexpr size_t kFailureLines = 20;
constexpr size_t kLogChunkMax = 4 << 20;
constexpr int64_t kLogOffsetMax = int64_t{1} << 50;

}  // namespace

absl::StatusOr<v1::UploadLogsResponse> Engine::ApplyRequest(
    absl::Time, const v1::UploadLogsRequest& request) {
  // Not tied to the attempt: the last lines of a trainer come after its end.
  const v1::Fence& fence = request.fence();
  AUTOTP_RETURN_IF_ERROR(core::CheckWorker(core_.state(), fence).status());
  AUTOTP_ASSIGN_OR_RETURN(const core::Job* job, core_.FindJob(fence.job()));
  if (request.rank() < 0 || request.rank() >= job->spec().world_size()) {
    return absl::InvalidArgumentError(absl::StrCat("rank: ", request.rank()));
  }
  if (fence.attempt() < 1 || fence.attempt() > job->status().attempt()) {
    return absl::AbortedError(
        absl::StrCat("STALE_ATTEMPT: ", job->name(), " is at attempt ",
                     job->status().attempt(), ", not ", fence.attempt()));
  }
  if (request.offset() < 0 || request.offset() > kLogOffsetMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "offset: ", request.offset(), "; must be 0 to ", kLogOffsetMax));
  }
  if (request.data().size() > kLogChunkMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data: ", request.data().size(), " bytes; at most ", kLogChunkMax));
  }
  LogBuffer& log = telemetry_.logs.Write(
      LogKey{job->name(), fence.attempt(), request.rank()});
  log.Append(request.offset(), request.data());
  changed_logs_.insert(LogTopic(job->name(), request.rank()));
  v1::UploadLogsResponse response;
  response.set_next_offset(log.end());
  return response;
}

absl::StatusOr<v1::ReportProgressResponse> Engine::ApplyRequest(
    absl::Time now, const v1::ReportProgressRequest& request) {
  auto response = core_.Apply(now, request, pending_);
  if (!response.ok()) return response;
  const v1::Fence& fence = request.fence();
  AUTOTP_ASSIGN_OR_RETURN(const core::Job* job, core_.FindJob(fence.job()));
  MetricsRing& ring =
      telemetry_.metrics.Write(job->name(), job->record.first_step());
  for (const v1::StepMetrics& step : request.steps()) {
    ring.Append(fence.attempt(), step);
  }
  return response;
}

absl::StatusOr<v1::ReportTrainerResponse> Engine::ApplyRequest(
    absl::Time now, const v1::ReportTrainerRequest& request) {
  const bool failed = request.state() == v1::ReportTrainerRequest::STATE_FAILED;
  const v1::Fence& fence = request.fence();
  const LogBuffer* log = telemetry_.logs.Find(
      LogKey{fence.job(), fence.attempt(), request.rank()});
  if (!failed || log == nullptr || request.failure().log_lines_size() > 0) {
    return core_.Apply(now, request, pending_);
  }
  v1::ReportTrainerRequest full = request;
  for (std::string& line : log->LastLines(kFailureLines)) {
    full.mutable_failure()->add_log_lines(std::move(line));
  }
  return core_.Apply(now, full, pending_);
}

}  // namespace autotp::engine
