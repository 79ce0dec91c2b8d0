#include "worker/agent/reporter.h"

#include <utility>

#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace autotp::agent {
Reporter::Reporter(Session& session, AttemptKey attempt, Callbacks callbacks)
    : session_(session),
      attempt_(std::move(attempt)),
      callbacks_(std::move(callbacks)) {}

Reporter::~Reporter() { session_.loop().Cancel(timer_); }

void Reporter::AddStep(int rank, const v1::StepMetrics& step) {
  if (fenced_) return;
  outbox_.AddStep(rank, step);
  Pump();
}

void Reporter::AddState(const v1::ReportTrainerRequest& state) {
  if (fenced_) return;
  outbox_.AddState(state);
  Pump();
}

void Reporter::Pump() {
  session_.loop().Cancel(timer_);
  if (fenced_) return;
  const std::optional<Report> report = outbox_.Next(absl::Now());
  if (report.has_value()) {
    Send(*report);
  } else if (outbox_.NextTime() != absl::InfiniteFuture()) {
    timer_ = session_.loop().RunAt(outbox_.NextTime(), [this] { Pump(); });
  }
}

void Reporter::Send(const Report& report) {
  CallOptions options;
  options.owner = weak_from_this();
  CoordinatorClient& client = session_.client();
  if (report.state.has_value()) {
    session_.Call(
        client.worker(), &WorkerCalls::ReportTrainer, attempt_, *report.state,
        options,
        std::function<void(absl::StatusOr<v1::ReportTrainerResponse>)>(
            [this](const auto& answer) { OnAnswer(answer.status()); }));
    return;
  }
  v1::ReportProgressRequest request;
  request.set_rank(report.rank);
  for (const v1::StepMetrics& step : report.steps) *request.add_steps() = step;
  session_.Call(client.worker(), &WorkerCalls::ReportProgress, attempt_,
                std::move(request), options,
                std::function<void(absl::StatusOr<v1::ReportProgressResponse>)>(
                    [this](const auto& answer) { OnAnswer(answer.status()); }));
}

void Reporter::OnAnswer(const absl::Status& status) {
  if (fenced_) return;
  if (absl::IsAborted(status)) {
    fenced_ = true;
    callbacks_.on_fenced(status);
    return;
  }
  // An answer that is an error is an answer: repeating would not change it.
  if (!status.ok()) {
    spdlog::error("{}: the coordinator refused a report: {}",
                  Describe(attempt_), status.ToString());
  }
  outbox_.Acknowledge();
  Pump();
  callbacks_.on_sent();
}

}  // namespace autotp::agent
