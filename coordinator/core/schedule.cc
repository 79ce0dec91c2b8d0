#include "coordinator/core/schedule.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/core/admission.h"
#include "coordinator/core/job_state.h"
#include "coordinator/core/ledger.h"
#include "coordinator/core/progress.h"
#include "coordinator/core/roster.h"
#include "coordinator/core/time_proto.h"

namespace autotp::core {
namespace {

std::vector<Job*> WaitingInOrder(State& state) {
  std::vector<Job*> waiting;
  for (auto& [name, job] : state.jobs) {
    if (IsWaiting(job.state())) waiting.push_back(&job);
  }
  const auto order = [](const Job* job) {
    const auto& created = job->record.job().create_time();
    return std::make_tuple(job->state() != v1::JOB_STATE_RECOVERING,
                           created.seconds(), created.nanos(), job->name());
  };
  std::sort(waiting.begin(), waiting.end(),
            [&](const Job* a, const Job* b) { return order(a) < order(b); });
  return waiting;
}

// Shown, not stored: it changes with every worker that comes and goes.
void SetReason(Change change, Job& job, const std::string& reason) {
  if (job.status().state_message() == reason) return;
  job.status().set_state_message(reason);
  change.effects.jobs.insert(job.name());
  change.effects.log_lines.push_back(
      absl::StrCat(job.name(), " ", StateName(job.state()), ": ", reason));
}

v1::Failure Stuck(const Job& job, int rank, v1::FailureReason reason,
                  std::string message) {
  v1::Failure failure;
  failure.set_reason(reason);
  failure.set_rank(rank);
  failure.set_worker(job.record.ranks(rank).worker());
  failure.set_message(std::move(message));
  return failure;
}

void FailSlowStart(Change change, Job& job) {
  std::vector<int> missing;
  for (int rank = 0; rank < job.record.ranks_size(); ++rank) {
    if (job.record.ranks(rank).state() < v1::RankRecord::STATE_READY) {
      missing.push_back(rank);
    }
  }
  const int first = missing.empty() ? 0 : missing.front();
  FailAttempt(change, job,
              Stuck(job, first, v1::FAILURE_REASON_COLLECTIVE,
                    absl::StrCat("not ready after ",
                                 Rounded(change.state.policy.start_timeout),
                                 ": ranks ", absl::StrJoin(missing, ", "))));
}

void ForceStop(Change change, Job& job) {
  if (job.record.stop_now()) {
    EndJob(change, job, v1::JOB_STATE_CANCELLED,
           "its trainers did not report their end in time");
    return;
  }
  job.record.set_stop_now(true);
  job.deadline = change.now + change.state.policy.kill_timeout;
  AddEvent(change.state, job,
           absl::StrCat("did not stop within ",
                        Rounded(change.state.policy.stop_timeout),
                        "; ending its trainers"),
           change.now, change.effects);
  SaveJob(job, change.now, change.effects);
  TouchAll(change, job);
}

bool IsStuck(const Policy& policy, const Job& job, absl::Time now) {
  const auto& progress = job.status().progress();
  if (job.state() != v1::JOB_STATE_RUNNING) return false;
  // All steps done: the model is being written, however long it takes.
  if (progress.step() >= job.spec().run().max_steps() || HasReachedTarget(job))
    return false;
  const absl::Duration patience = std::max(
      MayBeEvaluating(job) ? policy.stuck_evaluating : policy.stuck_after,
      absl::Seconds(policy.stuck_steps * job.step_seconds));
  return now > job.last_progress_time + patience;
}

void PassTimeOf(Change change, Job& job) {
  const Policy& policy = change.state.policy;
  if (job.forms_again && job.state() == v1::JOB_STATE_STARTING) {
    FormAgain(change, job);
  } else if (change.now > job.blame_deadline) {
    FailAttempt(change, job, v1::Failure(job.record.pending_failure()));
  } else if (change.now > job.deadline) {
    if (job.state() == v1::JOB_STATE_STARTING) {
      FailSlowStart(change, job);
    } else {
      ForceStop(change, job);
    }
  } else if (IsStuck(policy, job, change.now)) {
    FailAttempt(
        change, job,
        Stuck(job, 0, v1::FAILURE_REASON_COLLECTIVE,
              absl::StrCat("no finished step for ",
                           Rounded(change.now - job.last_progress_time),
                           " after step ", job.status().progress().step())));
  }
}

}  // namespace

void Schedule(Change change) {
  const std::vector<Offer> empty_cluster = AllSlots(change.state, change.now);
  const Job* ahead = nullptr;  // the oldest that waits for slots in use
  for (Job* job : WaitingInOrder(change.state)) {
    const GangRequest request{job->spec().world_size(),
                              job->plan->plan().tensor_parallel_size()};
    if (ahead != nullptr) {
      SetReason(change, *job,
                absl::StrCat("behind ", ahead->name(), " in the queue"));
      continue;
    }
    const GangDecision decision =
        DecideGang(request, FreeSlots(change.state, change.now));
    if (decision.admitted) {
      StartAttempt(change, *job, decision.seats);
      continue;
    }
    SetReason(change, *job, decision.reason);
    if (DecideGang(request, empty_cluster).admitted) ahead = job;
  }
}

void PassTime(Change change) {
  ExpireLeases(change);
  for (auto& [name, job] : change.state.jobs) {
    if (IsActive(job.state())) PassTimeOf(change, job);
  }
}

}  // namespace autotp::core
