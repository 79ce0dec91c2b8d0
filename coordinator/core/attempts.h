// attempts.h -- the life of an attempt: formed, running, ended, tried again.
//
// Flow: schedule.cc starts attempts; reports of trainers, lost leases, passed
// deadlines and users end them here.
//
// An attempt ends whole: its ranks, its rendezvous keys and its unfinished
// checkpoints go together, so no part of an era outlives it.
// Threading: owner of the state only.
#ifndef AUTOTP_COORDINATOR_CORE_ATTEMPTS_H_
#define AUTOTP_COORDINATOR_CORE_ATTEMPTS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "coordinator/core/admission.h"
#include "coordinator/core/effects.h"
#include "coordinator/core/state.h"

namespace autotp::core {

// What every change needs.
struct Change {
  State& state;
  absl::Time now;
  Effects& effects;
};

// Moves the job with a reason and an event. REQUIRES: MayMove().
void Move(Change change, Job& job, v1::JobState to, std::string reason);

// Raises the generation of a worker's assignment.
void Touch(Change change, const std::string& worker);
void TouchAll(Change change, const Job& job);  // workers that hold its ranks

// REQUIRES: IsWaiting(job), one seat for each rank.
void StartAttempt(Change change, Job& job, const std::vector<Seat>& seats);

// A rank or its worker failed: the job recovers if it may, else fails. A job
// that was being cancelled is cancelled.
void FailAttempt(Change change, Job& job, v1::Failure failure);

// The keys of its groups are lost, by no fault of its own: no restart of those
// that the user allows is used up. REQUIRES: STARTING.
void FormAgain(Change change, Job& job);

// Looks at the ranks' states and moves on: all ready, all finished, all
// stopped.
void SettleRanks(Change change, Job& job);

// Ends a job for good, in a terminal state.
void EndJob(Change change, Job& job, v1::JobState to, std::string reason);

// Would another attempt meet the same end?
bool IsWorthRestarting(v1::FailureReason reason);

// "rank 1 on w2 exited with signal 9: message".
std::string DescribeFailure(const v1::Failure& failure);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_ATTEMPTS_H_
