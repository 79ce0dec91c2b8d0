// good_history.h -- a state in which all is well, the event after it, and a
// table of ways to spoil them.
#ifndef AUTOTP_TESTS_SIM_GOOD_HISTORY_H_
#define AUTOTP_TESTS_SIM_GOOD_HISTORY_H_

#include <functional>
#include <string>

#include "tests/sim/invariants.h"

namespace autotp::sim {

inline constexpr core::CheckpointKey kCommitted = {10, 2, 2};
inline constexpr core::CheckpointKey kWriting = {20, 2, 2};

// A running job on both slots of w0, one that waits, one that has failed.
core::State GoodState();
v1::Fence GoodFence();
void AddCheckpoint(core::Job& job, const core::CheckpointKey& key,
                   v1::Checkpoint::State state);
// What a commit of step 20 by the present attempt makes of the job.
void Commit(core::Job& job);

// The event after the good state: what it did, and who sent it.
struct Next {
  core::State state = GoodState();
  core::Effects effects;
  v1::Fence fence = GoodFence();
  core::Job& a() { return state.jobs.at("jobs/a"); }
  core::Job& b() { return state.jobs.at("jobs/b"); }
  core::Job& c() { return state.jobs.at("jobs/c"); }
  v1::RankRecord& rank(int r) { return *a().record.mutable_ranks(r); }
};

// What the invariants say of the good state followed by this.
absl::Status CheckNext(const std::function<void(Next&)>& change);

struct Case {
  std::string name;
  std::string broken;  // in the answer
  std::function<void(Next&)> change;
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_GOOD_HISTORY_H_
