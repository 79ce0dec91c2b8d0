// policy.h -- the coordinator's limits and patience, each with its name.
#ifndef AUTOTP_COORDINATOR_CORE_POLICY_H_
#define AUTOTP_COORDINATOR_CORE_POLICY_H_

#include <cstddef>

#include "absl/time/time.h"

namespace autotp::core {

struct Policy {
  // Workers.
  absl::Duration lease = absl::Seconds(10);  // silence that means lost
  absl::Duration suspect_after = absl::Seconds(3);
  absl::Duration heartbeat_interval = absl::Seconds(1);
  // After a restart of the coordinator, how long its old workers may take to
  // come back before their ranks count as lost.
  absl::Duration adopt_window = absl::Seconds(60);

  // Attempts.
  absl::Duration start_timeout = absl::Minutes(10);  // until all are ready
  absl::Duration stop_timeout = absl::Minutes(10);   // save, then stop
  absl::Duration kill_timeout = absl::Seconds(10);   // stop without saving
  // A collective that failed has its cause on another rank: so long do we
  // wait for the report of that one, to blame the right rank.
  absl::Duration blame_grace = absl::Seconds(2);
  // No finished step for this long, and for this many usual steps: stuck.
  absl::Duration stuck_after = absl::Minutes(10);
  double stuck_steps = 30;
  // The same where a step's report may wait for an evaluation.
  absl::Duration stuck_evaluating = absl::Hours(2);

  // Bounds.
  size_t jobs_max = 10'000;
  size_t workers_max = 4'096;
  size_t events_max = 1'000;           // newest ones kept, for each job
  size_t keys_max = 4'096;             // rendezvous keys of an attempt
  size_t removed_folders_max = 1'000;  // remembered as removed
  size_t key_value_bytes_max = 64 << 10;
};

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_POLICY_H_
