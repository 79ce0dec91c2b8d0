#include "coordinator/core/ledger.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/core/job_state.h"
#include "coordinator/core/time_proto.h"
#include "proto/support/status_macros.h"

namespace autotp::core {
namespace {

std::string CheckpointRowKey(const v1::CheckpointRecord& record) {
  const v1::Checkpoint& checkpoint = record.checkpoint();
  return absl::StrFormat("%s/%012d/%d/%d", record.job(), checkpoint.step(),
                         checkpoint.attempt(), checkpoint.group_epoch());
}

absl::Status Unreadable(const Row& row) {
  return absl::DataLossError(absl::StrCat("record ", row.key, " of table ",
                                          static_cast<int>(row.table),
                                          " cannot be read"));
}

absl::Status LoadJob(const Row& row, State& state) {
  Job job;
  if (!job.record.ParseFromString(row.value)) return Unreadable(row);
  if (!job.record.request_id().empty()) {
    state.requests[job.record.request_id()] = row.key;
  }
  state.jobs.emplace(row.key, std::move(job));
  return absl::OkStatus();
}

// Rows that belong to a job; a row without its job is left alone.
absl::Status LoadPart(const Row& row, State& state) {
  if (row.table == Table::kPlans) {
    auto plan = std::make_shared<v1::PlannedJob>();
    if (!plan->ParseFromString(row.value)) return Unreadable(row);
    const auto job = state.jobs.find(row.key);
    if (job == state.jobs.end()) return absl::OkStatus();
    job->second.shown_plan = plan->plan();
    if (!IsTerminal(job->second.state())) job->second.plan = std::move(plan);
    return absl::OkStatus();
  }
  if (row.table == Table::kCheckpoints) {
    v1::CheckpointRecord record;
    if (!record.ParseFromString(row.value)) return Unreadable(row);
    const auto job = state.jobs.find(record.job());
    if (job == state.jobs.end()) return absl::OkStatus();
    const v1::Checkpoint& checkpoint = record.checkpoint();
    const CheckpointKey key{checkpoint.step(), checkpoint.attempt(),
                            checkpoint.group_epoch()};
    job->second.checkpoints[key] = std::move(record);
    return absl::OkStatus();
  }
  v1::JobEvent event;
  if (!event.ParseFromString(row.value)) return Unreadable(row);
  const auto job = state.jobs.find(row.key.substr(0, row.key.rfind('/')));
  if (job != state.jobs.end()) job->second.events.push_back(std::move(event));
  return absl::OkStatus();
}

void ExpectWorkers(State& state, absl::Time now) {
  for (auto& [name, job] : state.jobs) {
    if (!IsActive(job.state())) continue;
    job.deadline =
        now + (job.state() == v1::JOB_STATE_CANCELLING
                   ? (job.record.stop_now() ? state.policy.kill_timeout
                                            : state.policy.stop_timeout)
                   : state.policy.start_timeout);
    if (job.state() == v1::JOB_STATE_RUNNING) {
      job.deadline = absl::InfiniteFuture();
    }
    job.last_progress_time = now;
    // Rendezvous keys are not kept; a world of one has none.
    job.forms_again =
        job.state() == v1::JOB_STATE_STARTING && job.record.ranks_size() > 1;
    if (job.record.has_pending_failure()) {
      job.blame_deadline = now + state.policy.blame_grace;
    }
    for (const v1::RankRecord& rank : job.record.ranks()) {
      // A rank that is done may be of a process before the present one.
      if (rank.state() >= v1::RankRecord::STATE_FINISHED) continue;
      Worker& worker = state.workers[rank.worker()];
      worker.name = rank.worker();
      worker.incarnation = rank.incarnation();
      worker.device = rank.device();
      worker.last_heartbeat = now;
      worker.lease_deadline = now + state.policy.adopt_window;
      worker.generation = state.epoch << 32;  // above all that were sent
    }
  }
}

}  // namespace

void SaveJob(Job& job, absl::Time now, Effects& effects) {
  *job.record.mutable_job()->mutable_update_time() = ToTimestamp(now);
  effects.writes.push_back(
      {Table::kJobs, job.name(), job.record.SerializeAsString()});
  effects.jobs.insert(job.name());
}

void SavePlan(const Job& job, Effects& effects) {
  effects.writes.push_back(
      {Table::kPlans, job.name(), job.plan->SerializeAsString()});
}

void SaveCheckpoint(const v1::CheckpointRecord& record, Effects& effects) {
  effects.writes.push_back({Table::kCheckpoints, CheckpointRowKey(record),
                            record.SerializeAsString()});
}

void EraseCheckpoint(const v1::CheckpointRecord& record, Effects& effects) {
  effects.writes.push_back(
      {Table::kCheckpoints, CheckpointRowKey(record), std::nullopt});
}

void AddEvent(State& state, Job& job, std::string message, absl::Time now,
              Effects& effects) {
  v1::JobEvent event;
  event.set_sequence(job.record.last_event() + 1);
  *event.mutable_time() = ToTimestamp(now);
  event.set_message(std::move(message));
  event.set_attempt(job.status().attempt());
  job.record.set_last_event(event.sequence());
  const auto key = [&job](int64_t sequence) {
    return absl::StrFormat("%s/%012d", job.name(), sequence);
  };
  effects.writes.push_back(
      {Table::kEvents, key(event.sequence()), event.SerializeAsString()});
  effects.log_lines.push_back(absl::StrCat(job.name(), " ", event.message()));
  job.events.push_back(std::move(event));
  while (job.events.size() > state.policy.events_max) {
    effects.writes.push_back(
        {Table::kEvents, key(job.events.front().sequence()), std::nullopt});
    job.events.pop_front();
  }
}

absl::StatusOr<State> LoadState(const Identity& identity, const Policy& policy,
                                const std::vector<Row>& rows, absl::Time now) {
  State state;
  state.policy = policy;
  state.cluster_uid = identity.cluster_uid;
  state.epoch = identity.epoch;
  for (const Row& row : rows) {
    if (row.table == Table::kJobs) AUTOTP_RETURN_IF_ERROR(LoadJob(row, state));
  }
  for (const Row& row : rows) {
    if (row.table != Table::kJobs) AUTOTP_RETURN_IF_ERROR(LoadPart(row, state));
  }
  for (auto& [name, job] : state.jobs) {
    std::sort(job.events.begin(), job.events.end(),
              [](const v1::JobEvent& a, const v1::JobEvent& b) {
                return a.sequence() < b.sequence();
              });
    if (!IsTerminal(job.state()) && job.plan == nullptr) {
      return absl::DataLossError(absl::StrCat(name, " has lost its plan"));
    }
  }
  ExpectWorkers(state, now);
  return state;
}

}  // namespace autotp::core
