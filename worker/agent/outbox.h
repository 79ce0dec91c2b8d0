// outbox.h -- reports of one attempt that wait for the coordinator, in order.
//
// Flow: agent.cc adds what its trainers say -> Next() gives one batch ->
// Acknowledge() once the coordinator has answered.
//
// Nothing is lost and nothing overtakes: steps before the state that follows
// them. Steps go up coalesced, at most one batch per interval, unless a state
// waits behind them. When it is full its owner stops reading from the trainers.
//
// Pure: time is an argument.
#ifndef AUTOTP_WORKER_AGENT_OUTBOX_H_
#define AUTOTP_WORKER_AGENT_OUTBOX_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "autotp/v1/worker_service.pb.h"

namespace autotp::agent {

// Either steps of one rank or one state.
struct Report {
  int rank = 0;
  std::vector<v1::StepMetrics> steps;
  std::optional<v1::ReportTrainerRequest> state;
};

struct OutboxOptions {
  absl::Duration progress_interval = absl::Milliseconds(200);
  size_t num_reports_max = 200'000;  // steps and states; about 20 MB
  size_t num_steps_per_batch_max = 1'000;
};

class Outbox {
 public:
  explicit Outbox(const OutboxOptions& options = {}) : options_(options) {}

  // Takes a report even when full: what was read must not be lost.
  void AddStep(int rank, const v1::StepMetrics& step);
  void AddState(const v1::ReportTrainerRequest& state);

  bool empty() const { return entries_.empty(); }
  bool full() const { return entries_.size() >= options_.num_reports_max; }

  // When Next() will have something; infinite future: nothing waits, or the
  // last batch is not acknowledged.
  absl::Time NextTime() const;
  // The oldest batch, if it is time; at most one is out.
  std::optional<Report> Next(absl::Time now);
  // The batch that is out was answered: it is forgotten.
  void Acknowledge();
  // The batch that is out was not: Next() gives it, or more, again.
  void Return();

 private:
  struct Entry {
    int rank = 0;
    bool is_state = false;
    v1::StepMetrics step;
    v1::ReportTrainerRequest state;
  };

  const OutboxOptions options_;
  std::deque<Entry> entries_;
  size_t num_states_ = 0;
  size_t num_out_ = 0;  // entries of the batch that is out
  absl::Time last_progress_ = absl::InfinitePast();
};

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_OUTBOX_H_
