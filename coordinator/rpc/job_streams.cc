#include "coordinator/rpc/job_streams.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/core/job_state.h"

namespace autotp::rpc {
namespace {

constexpr size_t kStepsPerMessage = 1'000;
constexpr size_t kBytesPerMessage = 64 << 10;
// The end of a job does not wake those who read its logs; they look.
constexpr absl::Duration kLogPatience = absl::Milliseconds(500);

}  // namespace

PullStream<v1::WatchJobResponse>::Next WatchJobSteps(
    const v1::WatchJobRequest& request) {
  using Step = NextStep<v1::WatchJobResponse>;
  return [name = request.name(), sent = std::string(),
          plan_sent = false](const engine::View& view) mutable {
    const auto job = view.core.FindJob(name);
    if (!job.ok()) return Step::End(job.status());
    // Progress moves without a new record: what is shown is compared.
    const v1::Job& shown = (*job)->record.job();
    std::string now = shown.SerializeAsString();
    if (now != sent) {
      sent = std::move(now);
      v1::WatchJobResponse response;
      // The plan never changes: once is enough.
      *response.mutable_job() = plan_sent ? shown : view.core.ShowJob(**job);
      plan_sent = true;
      return Step::Send(std::move(response));
    }
    if (core::IsTerminal((*job)->state())) return Step::End(absl::OkStatus());
    return Step::Wait(engine::JobTopic((*job)->name()));
  };
}

PullStream<v1::StreamJobMetricsResponse>::Next MetricsSteps(
    const v1::StreamJobMetricsRequest& request) {
  using Step = NextStep<v1::StreamJobMetricsResponse>;
  return [name = request.name(), after = request.after_step(),
          follow = request.follow()](const engine::View& view) mutable {
    const auto job = view.core.FindJob(name);
    if (!job.ok()) return Step::End(job.status());
    const std::string& full_name = (*job)->name();
    const engine::MetricsRing* ring = view.telemetry.metrics.Find(full_name);
    engine::MetricsRing::Run run;
    if (ring != nullptr) run = ring->Read(after, kStepsPerMessage);
    if (!run.steps.empty()) {
      after = run.steps.back().step();
      v1::StreamJobMetricsResponse response;
      response.set_dropped_steps(run.dropped);
      for (v1::StepMetrics& step : run.steps) {
        *response.add_steps() = std::move(step);
      }
      return Step::Send(std::move(response));
    }
    if (!follow || core::IsTerminal((*job)->state())) {
      return Step::End(absl::OkStatus());
    }
    return Step::Wait(engine::JobTopic(full_name));
  };
}

namespace {

// One reader's place in the logs of a rank.
class LogCursor {
 public:
  LogCursor(const v1::TailJobLogsRequest& request, LogFilePart file)
      : request_(request),
        file_(std::move(file)),
        attempt_(file_.attempt),
        offset_(request.offset()) {}

  NextStep<v1::TailJobLogsResponse> Next(const engine::View& view) {
    using Step = NextStep<v1::TailJobLogsResponse>;
    const auto job = view.core.FindJob(request_.name());
    if (!job.ok()) return Step::End(job.status());
    const int32_t newest = (*job)->status().attempt();
    if (attempt_ == 0) attempt_ = newest;
    if (auto step = FromFile()) return *std::move(step);
    if (auto step = FromBuffer(view, (*job)->name())) return *std::move(step);
    if (request_.attempt() == 0 && request_.follow() && attempt_ < newest) {
      attempt_ = newest;
      offset_ = 0;
      if (auto step = FromBuffer(view, (*job)->name())) return *std::move(step);
    }
    // An older attempt writes no more; the newest one may until the job ends.
    const bool over = core::IsTerminal((*job)->state()) || attempt_ < newest;
    if (!request_.follow() || over) return Step::End(absl::OkStatus());
    return Step::Wait(engine::LogTopic((*job)->name(), request_.rank()),
                      kLogPatience);
  }

 private:
  using MaybeStep = std::optional<NextStep<v1::TailJobLogsResponse>>;

  NextStep<v1::TailJobLogsResponse> Send(std::string data, int64_t dropped) {
    v1::TailJobLogsResponse response;
    response.set_attempt(attempt_);
    response.set_offset(offset_);
    response.set_dropped_bytes(dropped);
    offset_ += static_cast<int64_t>(data.size());
    response.set_data(std::move(data));
    return NextStep<v1::TailJobLogsResponse>::Send(std::move(response));
  }

  MaybeStep FromFile() {
    if (!file_.bytes.empty()) {
      std::string data = file_.bytes.substr(0, kBytesPerMessage);
      file_.bytes.erase(0, data.size());
      return Send(std::move(data), 0);
    }
    const int64_t end = std::exchange(file_.end, 0);
    if (offset_ >= end) return std::nullopt;
    const int64_t dropped = end - std::exchange(offset_, end);
    return Send("", dropped);
  }

  MaybeStep FromBuffer(const engine::View& view, const std::string& job) {
    const engine::LogBuffer* log =
        view.telemetry.logs.Find({job, attempt_, request_.rank()});
    if (log == nullptr || offset_ >= log->end()) return std::nullopt;
    const int64_t wanted = offset_;
    std::string data = log->Read(offset_, kBytesPerMessage);
    return Send(std::move(data), offset_ - wanted);
  }

  const v1::TailJobLogsRequest request_;
  LogFilePart file_;
  int32_t attempt_;
  int64_t offset_;
};

}  // namespace

PullStream<v1::TailJobLogsResponse>::Next LogSteps(
    const v1::TailJobLogsRequest& request, LogFilePart file) {
  return [cursor = LogCursor(request, std::move(file))](
             const engine::View& view) mutable { return cursor.Next(view); };
}

}  // namespace autotp::rpc
