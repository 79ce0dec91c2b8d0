#include "coordinator/core/attempts.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/core/checkpoints.h"
#include "coordinator/core/job_state.h"
#include "coordinator/core/ledger.h"
#include "coordinator/core/progress.h"
#include "coordinator/core/time_proto.h"
#include "proto/support/check.h"

namespace autotp::core {
namespace {

bool All(const Job& job, v1::RankRecord::State state) {
  return std::all_of(
      job.record.ranks().begin(), job.record.ranks().end(),
      [state](const v1::RankRecord& rank) { return rank.state() == state; });
}

bool IsOver(const v1::RankRecord& rank) {
  return rank.state() >= v1::RankRecord::STATE_FINISHED;
}

// One that has failed is not: its attempt is about to end.
bool WasReady(const v1::RankRecord& rank) {
  return rank.state() == v1::RankRecord::STATE_READY ||
         rank.state() == v1::RankRecord::STATE_FINISHED;
}

// Everything that belongs to the era that ends.
void CloseAttempt(Change change, Job& job) {
  TouchAll(change, job);
  AbortCheckpoints(change, job);
  job.record.clear_ranks();
  job.record.clear_checkpoint_request();
  job.record.clear_stop_after_step();
  job.record.clear_stop_now();
  job.status().clear_ranks();
  job.keys.clear();
  job.record.clear_pending_failure();
  job.blame_deadline = absl::InfiniteFuture();
  job.forms_again = false;
  job.deadline = absl::InfiniteFuture();
  job.last_progress_time = absl::InfiniteFuture();
}

// The new attempt repeats the steps after its checkpoint.
void RewindProgress(Job& job, int64_t step) {
  v1::Progress& progress = *job.status().mutable_progress();
  const int64_t first = job.record.first_step();
  if (progress.step() > step && progress.step() > first) {
    progress.set_tokens(progress.tokens() / (progress.step() - first) *
                        (step - first));
  }
  progress.set_step(step);
  progress.set_total_steps(job.spec().run().max_steps());
}

std::string DescribeSuccess(const Job& job) {
  const v1::JobStatus& status = job.status();
  std::string text =
      absl::StrCat(status.progress().step(), " steps in ", status.attempt(),
                   status.attempt() == 1 ? " attempt" : " attempts");
  if (HasReachedTarget(job)) {
    absl::StrAppend(&text, "; the loss of the last, ", status.progress().loss(),
                    ", has reached the target ",
                    job.spec().run().target_loss());
  }
  return text;
}

}  // namespace

void Move(Change change, Job& job, v1::JobState to, std::string reason) {
  const v1::JobState from = job.state();
  AUTOTP_CHECK(MayMove(from, to), job.name(), ": ", StateName(from), " -> ",
               StateName(to));
  job.status().set_state(to);
  job.status().set_state_message(reason);
  const std::string arrow =
      from == v1::JOB_STATE_UNSPECIFIED
          ? StateName(to)
          : absl::StrCat(StateName(from), " -> ", StateName(to));
  AddEvent(change.state, job, absl::StrCat(arrow, ": ", reason), change.now,
           change.effects);
  SaveJob(job, change.now, change.effects);
}

void Touch(Change change, const std::string& worker) {
  const auto found = change.state.workers.find(worker);
  if (found == change.state.workers.end()) return;
  ++found->second.generation;
  change.effects.workers.insert(worker);
}

void TouchAll(Change change, const Job& job) {
  std::set<std::string> workers;
  for (const v1::RankRecord& rank : job.record.ranks()) {
    workers.insert(rank.worker());
  }
  for (const std::string& worker : workers) Touch(change, worker);
}

void StartAttempt(Change change, Job& job, const std::vector<Seat>& seats) {
  AUTOTP_CHECK(static_cast<int>(seats.size()) == job.spec().world_size(),
               job.name(), " got ", seats.size(), " seats");
  v1::JobStatus& status = job.status();
  status.set_attempt(status.attempt() + 1);
  status.set_group_epoch(status.group_epoch() + 1);
  for (const Seat& seat : seats) {
    const Worker& worker = change.state.workers.at(seat.worker);
    v1::RankRecord& rank = *job.record.add_ranks();
    rank.set_worker(seat.worker);
    rank.set_incarnation(worker.incarnation);
    rank.set_device(worker.device);
    rank.set_slot(seat.slot);
    rank.set_state(v1::RankRecord::STATE_ASSIGNED);
    v1::RankPlace& place = *status.add_ranks();
    place.set_worker(seat.worker);
    place.set_slot(seat.slot);
  }
  std::string from = "the beginning";
  const v1::CheckpointRecord* newest = NewestCommitted(job);
  if (newest != nullptr) {
    job.record.set_resume_manifest(ManifestPath(newest->checkpoint().path()));
    from = absl::StrCat("the checkpoint of step ", newest->checkpoint().step());
  } else {
    job.record.set_resume_manifest(job.record.first_manifest());
    if (!job.record.first_manifest().empty()) {
      from = absl::StrCat("step ", job.record.first_step());
    }
  }
  RewindProgress(job, newest != nullptr ? newest->checkpoint().step()
                                        : job.record.first_step());
  job.deadline = change.now + change.state.policy.start_timeout;
  TouchAll(change, job);
  Move(change, job, v1::JOB_STATE_STARTING,
       absl::StrCat("attempt ", status.attempt(), " on ", seats.size(),
                    seats.size() == 1 ? " slot" : " slots", " from ", from));
}

void FailAttempt(Change change, Job& job, v1::Failure failure) {
  AUTOTP_CHECK(IsActive(job.state()), job.name());
  *failure.mutable_detect_time() = ToTimestamp(change.now);
  const std::string what = DescribeFailure(failure);
  const v1::FailureReason reason = failure.reason();
  *job.status().mutable_last_failure() = std::move(failure);
  if (job.state() == v1::JOB_STATE_CANCELLING) {
    EndJob(change, job, v1::JOB_STATE_CANCELLED, what);
    return;
  }
  const int32_t max_restarts = job.spec().max_restarts();
  if (!IsWorthRestarting(reason)) {
    EndJob(change, job, v1::JOB_STATE_FAILED, what);
  } else if (job.record.restarts() >= max_restarts) {
    EndJob(change, job, v1::JOB_STATE_FAILED,
           max_restarts == 0 ? what
                             : absl::StrCat(what, " (all ", max_restarts,
                                            " restarts are used)"));
  } else {
    CloseAttempt(change, job);
    job.record.set_restarts(job.record.restarts() + 1);
    Move(change, job, v1::JOB_STATE_RECOVERING,
         absl::StrCat(what, "; restart ", job.record.restarts(), " of ",
                      max_restarts));
  }
}

void FormAgain(Change change, Job& job) {
  AUTOTP_CHECK(job.state() == v1::JOB_STATE_STARTING, job.name());
  CloseAttempt(change, job);
  Move(change, job, v1::JOB_STATE_RECOVERING,
       "the coordinator restarted while its groups were forming; they form "
       "again");
}

void SettleRanks(Change change, Job& job) {
  if (All(job, v1::RankRecord::STATE_FINISHED)) {
    job.status().set_model_path(job.record.ranks(0).model_path());
    EndJob(change, job, v1::JOB_STATE_SUCCEEDED, DescribeSuccess(job));
    return;
  }
  const auto& ranks = job.record.ranks();
  if (job.state() == v1::JOB_STATE_CANCELLING) {
    if (std::all_of(ranks.begin(), ranks.end(), IsOver)) {
      const int64_t saved = job.record.committed_step();
      EndJob(change, job, v1::JOB_STATE_CANCELLED,
             saved > 0
                 ? absl::StrCat("the checkpoint of step ", saved, " is saved")
                 : "no checkpoint was saved");
    }
    return;
  }
  if (job.state() == v1::JOB_STATE_STARTING) {
    if (std::all_of(ranks.begin(), ranks.end(), WasReady)) {
      job.deadline = absl::InfiniteFuture();
      job.last_progress_time = change.now;
      Move(change, job, v1::JOB_STATE_RUNNING,
           absl::StrCat("training from step ",
                        job.status().progress().step() + 1));
    }
  }
}

void EndJob(Change change, Job& job, v1::JobState to, std::string reason) {
  AUTOTP_CHECK(IsTerminal(to), StateName(to));
  CloseAttempt(change, job);
  job.plan.reset();  // the store keeps it
  job.status().mutable_progress()->clear_remaining();
  Move(change, job, to, std::move(reason));
  RemoveAborted(change, job);
}

bool IsWorthRestarting(v1::FailureReason reason) {
  return reason != v1::FAILURE_REASON_DATA &&
         reason != v1::FAILURE_REASON_MODEL &&
         reason != v1::FAILURE_REASON_NUMERIC;
}

std::string DescribeFailure(const v1::Failure& failure) {
  std::string text =
      absl::StrCat("rank ", failure.rank(), " on ", failure.worker());
  if (failure.signal() != 0) {
    absl::StrAppend(&text, " ended by signal ", failure.signal());
  } else if (failure.exit_code() != 0) {
    absl::StrAppend(&text, " exited with status ", failure.exit_code());
  }
  if (!failure.message().empty()) {
    absl::StrAppend(&text, ": ", failure.message());
  }
  return text;
}

}  // namespace autotp::core
