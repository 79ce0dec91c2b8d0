// Goal: progress is what was trained, however often and in what pieces it is
// told.
#include "coordinator/core/progress.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

class ProgressTest : public testing::Test {
 protected:
  ProgressTest() {
    EXPECT_TRUE(cluster_.Register("w1", 1).ok());
    EXPECT_TRUE(cluster_.Submit("a", {.max_restarts = 1}).ok());
    cluster_.SayAll("a", Cluster::Report::STATE_READY);
  }
  void Tell(const std::vector<int64_t>& steps, double seconds) {
    v1::ReportProgressRequest report;
    *report.mutable_fence() = cluster_.FenceOf("w1", "a");
    for (const int64_t step : steps) {
      v1::StepMetrics& metrics = *report.add_steps();
      metrics.set_step(step);
      metrics.set_tokens(10);
      metrics.set_loss(1.0 / static_cast<double>(step));
      metrics.set_step_seconds(seconds);
    }
    ASSERT_TRUE(cluster_.Apply(report).ok());
  }
  const v1::Progress& progress() {
    return cluster_.job("a").status().progress();
  }

  Cluster cluster_;
};

TEST_F(ProgressTest, CountsStepsAndTokens) {
  Tell({1, 2}, 2);
  EXPECT_EQ(progress().step(), 2);
  EXPECT_EQ(progress().total_steps(), 100);
  EXPECT_EQ(progress().tokens(), 20);
  EXPECT_EQ(progress().loss(), 0.5);
  EXPECT_EQ(progress().tokens_per_second(), 5);
  EXPECT_EQ(progress().remaining().seconds(), 196);
}

TEST_F(ProgressTest, StepsToldAgainAreSkipped) {
  Tell({1, 2}, 1);
  Tell({1, 2, 3}, 1);
  EXPECT_EQ(progress().step(), 3);
  EXPECT_EQ(progress().tokens(), 30);
}

TEST_F(ProgressTest, StepsThatWereMissedCount) {
  Tell({1}, 1);
  Tell({5}, 1);
  EXPECT_EQ(progress().step(), 5);
  EXPECT_EQ(progress().tokens(), 50);
}

TEST_F(ProgressTest, StepTimesAreSmoothed) {
  Tell({1}, 1);
  Tell({2}, 2);
  EXPECT_DOUBLE_EQ(cluster_.job("a").step_seconds, 1.2);
}

TEST_F(ProgressTest, IsShownToWatchersAndNeverStored) {
  Tell({1}, 1);
  EXPECT_TRUE(cluster_.effects.writes.empty());
  EXPECT_TRUE(cluster_.effects.jobs.contains("jobs/a"));
}

TEST_F(ProgressTest, GoesBackToWhatIsCommitted) {
  Tell({1, 2, 3, 4}, 1);
  ASSERT_TRUE(cluster_.Save("a", 2).ok());
  Tell({5}, 1);
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_INTERNAL).ok());
  EXPECT_EQ(progress().step(), 2);
  EXPECT_EQ(progress().tokens(), 20);
}

TEST_F(ProgressTest, TheTargetLossIsTheReasonOfAnEarlyEnd) {
  ASSERT_TRUE(cluster_.Register("w2", 1).ok());
  ASSERT_TRUE(cluster_.Submit("b", {.target_loss = 0.3}).ok());
  cluster_.SayAll("b", Cluster::Report::STATE_READY);
  v1::ReportProgressRequest report;
  *report.mutable_fence() = cluster_.FenceOf("w2", "b");
  for (const int64_t step : {1, 2, 3, 4}) {
    report.add_steps()->set_step(step);
    report.mutable_steps()->rbegin()->set_loss(1.0 / static_cast<double>(step));
  }
  ASSERT_TRUE(cluster_.Apply(report).ok());
  // The model is being written, however long it takes.
  cluster_.Pass(cluster_.policy.stuck_after * 2);
  EXPECT_TRUE(HasReachedTarget(cluster_.job("b")));
  cluster_.SayAll("b", Cluster::Report::STATE_FINISHED);
  EXPECT_EQ(cluster_.state("b"), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(cluster_.reason("b"),
            "4 steps in 1 attempt; the loss of the last, 0.25, has reached the "
            "target 0.3");
}

}  // namespace
}  // namespace autotp::core
