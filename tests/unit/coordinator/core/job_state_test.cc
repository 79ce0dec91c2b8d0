// Goal: every move between job states is legal or illegal on purpose.
#include "coordinator/core/job_state.h"

#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace autotp::core {
namespace {

const std::vector<v1::JobState>& AllStates() {
  static const auto& all = *new std::vector<v1::JobState>{
      v1::JOB_STATE_UNSPECIFIED, v1::JOB_STATE_QUEUED,
      v1::JOB_STATE_STARTING,    v1::JOB_STATE_RUNNING,
      v1::JOB_STATE_RECOVERING,  v1::JOB_STATE_CANCELLING,
      v1::JOB_STATE_SUCCEEDED,   v1::JOB_STATE_FAILED,
      v1::JOB_STATE_CANCELLED};
  return all;
}

TEST(JobStateTest, OnlyTheseMovesAreLegal) {
  const std::set<std::pair<v1::JobState, v1::JobState>> legal = {
      {v1::JOB_STATE_UNSPECIFIED, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_STARTING},
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED},
      {v1::JOB_STATE_RECOVERING, v1::JOB_STATE_STARTING},
      {v1::JOB_STATE_RECOVERING, v1::JOB_STATE_CANCELLED},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_RUNNING},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_RECOVERING},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_FAILED},
      {v1::JOB_STATE_STARTING, v1::JOB_STATE_CANCELLING},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_RECOVERING},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_FAILED},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING},
      {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED},
      {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_SUCCEEDED},
  };
  for (const v1::JobState from : AllStates()) {
    for (const v1::JobState to : AllStates()) {
      EXPECT_EQ(MayMove(from, to), legal.contains({from, to}))
          << StateName(from) << " -> " << StateName(to);
    }
  }
}

TEST(JobStateTest, EveryStateIsOneOfWaitingActiveOrTerminal) {
  for (const v1::JobState state : AllStates()) {
    const int kinds = static_cast<int>(IsWaiting(state)) +
                      static_cast<int>(IsActive(state)) +
                      static_cast<int>(IsTerminal(state));
    EXPECT_EQ(kinds, state == v1::JOB_STATE_UNSPECIFIED ? 0 : 1)
        << StateName(state);
  }
}

TEST(JobStateTest, NothingFollowsATerminalState) {
  for (const v1::JobState from : AllStates()) {
    if (!IsTerminal(from)) continue;
    for (const v1::JobState to : AllStates()) EXPECT_FALSE(MayMove(from, to));
  }
}

}  // namespace
}  // namespace autotp::core
