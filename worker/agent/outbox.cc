#include "worker/agent/outbox.h"

#include "proto/support/check.h"

namespace autotp::agent {

void Outbox::AddStep(int rank, const v1::StepMetrics& step) {
  entries_.push_back({.rank = rank, .is_state = false, .step = step});
}

void Outbox::AddState(const v1::ReportTrainerRequest& state) {
  entries_.push_back({.rank = state.rank(), .is_state = true, .state = state});
  ++num_states_;
}

absl::Time Outbox::NextTime() const {
  if (entries_.empty() || num_out_ > 0) return absl::InfiniteFuture();
  if (num_states_ > 0) return absl::InfinitePast();
  return last_progress_ + options_.progress_interval;
}

std::optional<Report> Outbox::Next(absl::Time now) {
  if (now < NextTime()) return std::nullopt;
  Report report;
  report.rank = entries_.front().rank;
  if (entries_.front().is_state) {
    report.state = entries_.front().state;
    num_out_ = 1;
    return report;
  }
  for (const Entry& entry : entries_) {
    if (entry.is_state || entry.rank != report.rank ||
        report.steps.size() == options_.num_steps_per_batch_max) {
      break;
    }
    report.steps.push_back(entry.step);
  }
  num_out_ = report.steps.size();
  last_progress_ = now;
  return report;
}

void Outbox::Acknowledge() {
  AUTOTP_CHECK(num_out_ > 0 && num_out_ <= entries_.size());
  if (entries_.front().is_state) --num_states_;
  entries_.erase(entries_.begin(),
                 entries_.begin() + static_cast<std::ptrdiff_t>(num_out_));
  num_out_ = 0;
}

void Outbox::Return() { num_out_ = 0; }

}  // namespace autotp::agent
