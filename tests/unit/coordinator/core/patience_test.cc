// Goal: what takes too long ends, and says what it waited for; what takes its
// time does not.
#include <string>

#include "coordinator/core/schedule.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using testing::HasSubstr;
using Report = Cluster::Report;

class PatienceTest : public testing::Test {
 protected:
  void Start(const JobOptions& options) {
    ASSERT_TRUE(cluster_.Register("w1", 4).ok());
    ASSERT_TRUE(cluster_.Submit("a", options).ok());
  }
  void Run() {
    Start({});
    cluster_.SayAll("a", Report::STATE_READY);
  }

  Cluster cluster_;
};

TEST_F(PatienceTest, AStartThatTakesTooLongFailsAndNamesTheRanks) {
  Start({.world_size = 3});
  ASSERT_TRUE(cluster_.Say("a", 0, Report::STATE_READY).ok());
  cluster_.Pass(cluster_.policy.start_timeout);
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_STARTING);
  cluster_.Pass(absl::Seconds(1));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
  EXPECT_THAT(cluster_.reason("a"),
              HasSubstr("not ready after 10m: ranks 1, 2"));
}

TEST_F(PatienceTest, AJobWithoutProgressIsStuck) {
  Run();
  ASSERT_TRUE(cluster_.Step("a", 7).ok());
  cluster_.Pass(cluster_.policy.stuck_after);
  ASSERT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(cluster_.Step("a", 7).ok());  // said again: no progress
  cluster_.Pass(absl::Seconds(1));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
  EXPECT_THAT(cluster_.reason("a"), HasSubstr("no finished step for 10m"));
}

TEST_F(PatienceTest, SlowStepsGetTheTimeThatTheyUsuallyTake) {
  Run();
  for (int step = 1; step <= 3; ++step) {
    v1::ReportProgressRequest report;
    *report.mutable_fence() = cluster_.FenceOf("w1", "a");
    report.add_steps()->set_step(step);
    report.mutable_steps(0)->set_step_seconds(60);
    ASSERT_TRUE(cluster_.Apply(report).ok());
  }
  cluster_.Pass(absl::Minutes(29));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  cluster_.Pass(absl::Minutes(2));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
}

TEST_F(PatienceTest, AStepThatIsEvaluatedMayTakeItsTime) {
  Start({.evaluate_every = 5});
  cluster_.SayAll("a", Report::STATE_READY);
  ASSERT_TRUE(cluster_.Step("a", 4).ok());  // step 5 waits for its evaluation
  cluster_.Pass(cluster_.policy.stuck_evaluating);
  ASSERT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(cluster_.Step("a", 5).ok());
  cluster_.Pass(cluster_.policy.stuck_after + absl::Seconds(1));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
}

TEST_F(PatienceTest, WritingTheModelIsNotStuck) {
  Run();
  ASSERT_TRUE(cluster_.Step("a", 100).ok());
  cluster_.Pass(cluster_.policy.stuck_after * 3);
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
}

}  // namespace
}  // namespace autotp::core
