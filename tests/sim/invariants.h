// invariants.h -- what must hold after every event, whatever went wrong.
//
// Flow: coordinator.cc calls Check() with the state after each event that has
// become durable, and after each restart.
//
// Some rules are about one state (state_invariants.cc), some need the past
// (history_invariants.cc). The past is kept here, across restarts of the
// coordinator: so everything that grows or is final also outlives it.
#ifndef AUTOTP_TESTS_SIM_INVARIANTS_H_
#define AUTOTP_TESTS_SIM_INVARIANTS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "autotp/v1/common.pb.h"
#include "coordinator/core/effects.h"
#include "coordinator/core/state.h"

namespace autotp::sim {

// Rules about one state. Each answers INTERNAL with what is broken.
absl::Status CheckSlots(const core::State& state);
absl::Status CheckRanks(const core::State& state);
absl::Status CheckCheckpoints(const core::State& state);
absl::Status CheckRequests(const core::State& state);
absl::Status CheckState(const core::State& state);  // all of them
// A folder that still counts is never removed.
absl::Status CheckRemovals(const core::State& state,
                           const core::Effects& effects);

// Is every durable part of `before` the same in `after`?
absl::Status CheckReload(const core::State& before, const core::State& after);

class Invariants {
 public:
  // `fence`: of the worker's message that was applied; null if it was none.
  absl::Status Check(const core::State& state, const core::Effects& effects,
                     const v1::Fence* fence);

 private:
  struct Seen {
    v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
    std::string request_id;
    int32_t attempt = 0;
    int64_t group_epoch = 0;
    int64_t committed_step = 0;
    int64_t last_event = 0;
    int32_t restarts = 0;
    std::map<core::CheckpointKey, v1::Checkpoint::State> checkpoints;
  };
  struct SeenWorker {
    std::string incarnation;
    bool ready = false;
  };

  absl::Status CheckFence(const core::Effects& effects,
                          const v1::Fence& fence) const;
  static absl::Status CheckGrowth(const Seen& seen, const core::Job& job);
  static absl::Status CheckCommits(const Seen& seen, const core::Job& job,
                                   const v1::Fence* fence);
  void Remember(const core::State& state);

  int64_t epoch_ = 0;
  std::string cluster_uid_;
  std::map<std::string, Seen> jobs_;
  std::map<std::string, SeenWorker> workers_;
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_INVARIANTS_H_
