#include "coordinator/rpc/job_streams.h"

#include <algorithm>
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

PullStream<v1::TailJobLogsResponse>::Next LogSteps(
    const v1::TailJobLogsRequest& request, std::string from_file) {
  using Step = NextStep<v1::TailJobLogsResponse>;
  return [request, offset = request.offset(),
          file = std::move(from_file)](const engine::View& view) mutable {
    const auto job = view.core.FindJob(request.name());
    if (!job.ok()) return Step::End(job.status());
    v1::TailJobLogsResponse response;
    response.set_offset(offset);
    if (!file.empty()) {
      response.set_data(file.substr(0, kBytesPerMessage));
      file.erase(0, response.data().size());
      offset += static_cast<int64_t>(response.data().size());
      return Step::Send(std::move(response));
    }
    const int32_t attempt =
        request.attempt() > 0 ? request.attempt() : (*job)->status().attempt();
    const engine::LogBuffer* log =
        view.telemetry.logs.Find({(*job)->name(), attempt, request.rank()});
    if (log != nullptr && offset < log->end()) {
      const int64_t wanted = offset;
      response.set_data(log->Read(offset, kBytesPerMessage));
      response.set_offset(offset);
      response.set_dropped_bytes(offset - wanted);
      offset += static_cast<int64_t>(response.data().size());
      return Step::Send(std::move(response));
    }
    // An older attempt writes no more; the newest one may until the job ends.
    const bool over = core::IsTerminal((*job)->state()) ||
                      attempt < (*job)->status().attempt();
    if (!request.follow() || over) return Step::End(absl::OkStatus());
    return Step::Wait(engine::LogTopic((*job)->name(), request.rank()),
                      kLogPatience);
  };
}

}  // namespace autotp::rpc
