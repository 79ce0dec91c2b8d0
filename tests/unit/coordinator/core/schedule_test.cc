// Goal: who waits is served in order, knows why it waits, and is told what it
// gets.
#include "coordinator/core/schedule.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using Report = Cluster::Report;

class ScheduleTest : public testing::Test {
 protected:
  void Submit(const std::string& id, const JobOptions& options) {
    ASSERT_TRUE(cluster_.Submit(id, options).ok());
    cluster_.now += absl::Seconds(1);
  }

  Cluster cluster_;
};

TEST_F(ScheduleTest, TheOldestIsServedFirst) {
  Submit("z", {});
  Submit("a", {});
  EXPECT_EQ(cluster_.reason("z"), "waiting for 1 slot: 0 free on 0 workers");
  ASSERT_TRUE(cluster_.Register("w1", 1).ok());
  EXPECT_EQ(cluster_.state("z"), v1::JOB_STATE_STARTING);
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(cluster_.reason("a"), "waiting for 1 slot: 0 free on 1 worker");
}

TEST_F(ScheduleTest, ALargeJobHoldsTheYoungerOnesBack) {
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  Submit("first", {});
  Submit("large", {.world_size = 2});
  Submit("small", {});
  EXPECT_EQ(cluster_.state("small"), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(cluster_.reason("small"), "behind jobs/large in the queue");
  cluster_.SayAll("first", Report::STATE_FINISHED);
  EXPECT_EQ(cluster_.state("large"), v1::JOB_STATE_STARTING);
}

TEST_F(ScheduleTest, OneThatFitsNowhereHoldsNobodyBack) {
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  Submit("huge", {.world_size = 3});
  Submit("small", {});
  EXPECT_EQ(cluster_.state("huge"), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(cluster_.reason("huge"), "waiting for 3 slots: 2 free on 1 worker");
  EXPECT_EQ(cluster_.state("small"), v1::JOB_STATE_STARTING);
}

TEST_F(ScheduleTest, OneThatRecoversGoesFirst) {
  ASSERT_TRUE(cluster_.Register("w1", 1).ok());
  Submit("a", {.max_restarts = 1});
  Submit("b", {});
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_INTERNAL).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_STARTING);
  EXPECT_EQ(cluster_.state("b"), v1::JOB_STATE_QUEUED);
}

TEST_F(ScheduleTest, ReasonsAreSaidOnceAndNotStored) {
  Submit("a", {});
  ASSERT_TRUE(cluster_.Register("w1", 1).ok());
  Submit("b", {});
  cluster_.Apply(Tick());
  EXPECT_TRUE(cluster_.effects.jobs.empty());
  EXPECT_TRUE(cluster_.effects.log_lines.empty());
  EXPECT_TRUE(cluster_.effects.writes.empty());
}

TEST_F(ScheduleTest, NoSlotIsGivenTwice) {
  ASSERT_TRUE(cluster_.Register("w1", 3).ok());
  ASSERT_TRUE(cluster_.Register("w2", 3).ok());
  for (const char* id : {"a", "b", "c"}) {
    Submit(id, {.world_size = 2, .tensor_parallel_size = 2});
  }
  EXPECT_EQ(cluster_.state("c"), v1::JOB_STATE_QUEUED);
  std::set<std::pair<std::string, int>> slots;
  for (const char* id : {"a", "b"}) {
    for (const v1::RankRecord& rank : cluster_.job(id).record.ranks()) {
      EXPECT_TRUE(slots.emplace(rank.worker(), rank.slot()).second);
    }
  }
  EXPECT_EQ(slots.size(), 4);
}

TEST_F(ScheduleTest, AWorkerIsToldWholeAndWithoutWhatIsDone) {
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  ASSERT_TRUE(cluster_.Register("w2", 2).ok());
  Submit("a", {.world_size = 4, .tensor_parallel_size = 2});
  const auto tasks = [&](const std::string& worker) {
    const auto assignment =
        cluster_.core->AssignmentAfter(cluster_.FenceOf(worker), 0);
    EXPECT_TRUE(assignment.ok());
    return (*assignment)->tasks();
  };
  ASSERT_EQ(tasks("w1").size(), 2);
  ASSERT_EQ(tasks("w2").size(), 2);
  const v1::TrainerTask task = tasks("w2")[1];
  EXPECT_EQ(task.rank(), 3);
  EXPECT_EQ(task.world_size(), 4);
  EXPECT_EQ(task.tensor_parallel_size(), 2);
  EXPECT_EQ(task.groups_size(), 3);
  EXPECT_EQ(task.attempt(), 1);
  EXPECT_EQ(task.max_steps(), 100);
  EXPECT_EQ(task.log_path(), "/out/a/logs/attempt-1-rank-3.log");
  ASSERT_TRUE(cluster_.Say("a", 3, Report::STATE_FINISHED).ok());
  ASSERT_EQ(tasks("w2").size(), 1);
  EXPECT_EQ(tasks("w2")[0].rank(), 2);
}

TEST_F(ScheduleTest, AnAssignmentIsSentWhenItIsNewer) {
  ASSERT_TRUE(cluster_.Register("w1", 1).ok());
  const auto after = [&](int64_t generation) {
    const auto assignment =
        cluster_.core->AssignmentAfter(cluster_.FenceOf("w1"), generation);
    EXPECT_TRUE(assignment.ok());
    return assignment->has_value();
  };
  const int64_t first = cluster_.core->state().workers.at("w1").generation;
  EXPECT_TRUE(after(first - 1));
  EXPECT_FALSE(after(first));
  Submit("a", {});
  EXPECT_TRUE(cluster_.effects.workers.contains("w1"));
  EXPECT_TRUE(after(first));
}

}  // namespace
}  // namespace autotp::core
