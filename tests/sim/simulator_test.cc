// Goal: whatever goes wrong, core keeps its invariants; and when nothing goes
// wrong any more, every job ends or says why it waits.
// Method: seeds. AUTOTP_SEED=N runs the one that failed.
#include "tests/sim/simulator.h"

#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"

namespace autotp::sim {
namespace {

constexpr uint64_t kSeedsPerShard = 50;

class SimulatorTest : public testing::TestWithParam<int> {};

void Add(const Outcome& run, Outcome& sum) {
  for (const auto& [fault, count] : run.faults) sum.faults[fault] += count;
  for (const auto& [state, count] : run.ends) sum.ends[state] += count;
  sum.attempts += run.attempts;
  sum.commits += run.commits;
  sum.epochs += run.epochs;
}

TEST_P(SimulatorTest, KeepsItsInvariants) {
  uint64_t first = static_cast<uint64_t>(GetParam()) * kSeedsPerShard;
  uint64_t count = kSeedsPerShard;
  if (const char* seed = std::getenv("AUTOTP_SEED"); seed != nullptr) {
    ASSERT_TRUE(absl::SimpleAtoi(seed, &first)) << "AUTOTP_SEED=" << seed;
    count = 1;
  }
  Outcome sum;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const Outcome run = Simulator(seed).Run();
    ASSERT_EQ(run.failure, "");
    Add(run, sum);
  }
  if (count == 1) return;
  // The seeds are worth something: everything happens in every shard.
  for (const Fault fault : AllFaults()) {
    EXPECT_GT(sum.faults[fault], 0) << FaultName(fault);
  }
  int64_t jobs = 0;
  for (const auto& [state, ended] : sum.ends) jobs += ended;
  EXPECT_GT(sum.ends[v1::JOB_STATE_SUCCEEDED], 0);
  EXPECT_GT(sum.ends[v1::JOB_STATE_FAILED], 0);
  EXPECT_GT(sum.ends[v1::JOB_STATE_CANCELLED], 0);
  EXPECT_GT(sum.ends[v1::JOB_STATE_QUEUED], 0) << "that fit nowhere";
  EXPECT_GT(sum.attempts, jobs) << "no job was ever restarted";
  EXPECT_GT(sum.commits, 0);
  EXPECT_GT(sum.epochs, static_cast<int64_t>(count)) << "no second coordinator";
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimulatorTest, testing::Range(0, 6));

}  // namespace
}  // namespace autotp::sim
