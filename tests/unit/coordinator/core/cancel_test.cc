// Goal: a job can be cancelled in every state, ends in time whatever its
// trainers do, and keeps what it has saved.
#include <string>

#include "coordinator/core/core.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Report = Cluster::Report;
constexpr auto kSave = v1::CancelJobRequest::MODE_CHECKPOINT;
constexpr auto kAtOnce = v1::CancelJobRequest::MODE_IMMEDIATE;

class CancelTest : public testing::Test {
 protected:
  void Start() {
    ASSERT_TRUE(cluster_.Register("w1", 2).ok());
    ASSERT_TRUE(
        cluster_.Submit("a", {.world_size = 2, .max_restarts = 5}).ok());
  }
  void Run() {
    Start();
    cluster_.SayAll("a", Report::STATE_READY);
  }
  v1::JobOrder Order() {
    const auto assignment =
        cluster_.core->AssignmentAfter(cluster_.FenceOf("w1"), 0);
    EXPECT_TRUE(assignment.ok());
    return (*assignment)->orders_size() == 1 ? (*assignment)->orders(0)
                                             : v1::JobOrder();
  }

  Cluster cluster_;
};

TEST_F(CancelTest, AWaitingJobEndsAtOnce) {
  ASSERT_TRUE(cluster_.Submit("a").ok());
  ASSERT_TRUE(cluster_.Cancel("a").ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(cluster_.reason("a"), "cancelled while waiting");
}

TEST_F(CancelTest, AStartingJobHasNothingToSave) {
  Start();
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_CANCELLING);
  EXPECT_TRUE(Order().stop_now());
}

TEST_F(CancelTest, ARunningJobSavesFirst) {
  Run();
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  EXPECT_TRUE(Order().stop_after_step());
  EXPECT_FALSE(Order().stop_now());
  ASSERT_TRUE(cluster_.Save("a", 3).ok());
  ASSERT_TRUE(cluster_.Say("a", 0, Report::STATE_STOPPED).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_CANCELLING);
  ASSERT_TRUE(cluster_.Say("a", 1, Report::STATE_STOPPED).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(cluster_.reason("a"), "the checkpoint of step 3 is saved");
}

TEST_F(CancelTest, OrStopsAtOnce) {
  Run();
  ASSERT_TRUE(cluster_.Cancel("a", kAtOnce).ok());
  EXPECT_TRUE(Order().stop_now());
  EXPECT_FALSE(Order().stop_after_step());
  // Killed trainers fail; that is what was asked for.
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_TRAINER_EXITED).ok());
  ASSERT_TRUE(cluster_.Fail("a", 1, v1::FAILURE_REASON_TRAINER_EXITED).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(cluster_.reason("a"), "no checkpoint was saved");
}

TEST_F(CancelTest, ASecondWishMayOnlyBeMoreUrgent) {
  Run();
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  EXPECT_THAT(cluster_.effects.writes, IsEmpty());
  ASSERT_TRUE(cluster_.Cancel("a", kAtOnce).ok());
  EXPECT_TRUE(Order().stop_now());
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  EXPECT_TRUE(Order().stop_now());
}

TEST_F(CancelTest, IsForcedWhenTheTrainersDoNotObey) {
  Run();
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  cluster_.Pass(cluster_.policy.stop_timeout);
  EXPECT_FALSE(Order().stop_now());
  cluster_.Pass(absl::Seconds(1));
  EXPECT_TRUE(Order().stop_now());
  cluster_.Pass(cluster_.policy.kill_timeout + absl::Seconds(1));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_CANCELLED);
  EXPECT_THAT(cluster_.reason("a"), HasSubstr("did not report their end"));
}

TEST_F(CancelTest, AFailureMeanwhileEndsItAsCancelled) {
  Run();
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  ASSERT_TRUE(
      cluster_.Fail("a", 1, v1::FAILURE_REASON_COLLECTIVE, "broken").ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_CANCELLED);
  EXPECT_THAT(cluster_.reason("a"), HasSubstr("broken"));
}

TEST_F(CancelTest, ALostWorkerMeanwhileEndsItAsCancelled) {
  Run();
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  cluster_.silent.insert("w1");
  cluster_.Pass(cluster_.policy.lease + absl::Seconds(1));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_CANCELLED);
}

TEST_F(CancelTest, AJobThatFinishesFirstHasSucceeded) {
  Run();
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  cluster_.SayAll("a", Report::STATE_FINISHED);
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(CancelTest, OfAJobThatIsOverChangesNothing) {
  Run();
  cluster_.SayAll("a", Report::STATE_FINISHED);
  ASSERT_TRUE(cluster_.Cancel("a", kAtOnce).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(cluster_.effects.writes, IsEmpty());
}

TEST_F(CancelTest, OfAnUnknownJobIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(cluster_.Cancel("none").status()));
}

TEST_F(CancelTest, OutlivesTheCoordinator) {
  Run();
  ASSERT_TRUE(cluster_.Cancel("a", kSave).ok());
  ASSERT_TRUE(cluster_.Restart().ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_CANCELLING);
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  EXPECT_TRUE(Order().stop_after_step());
  cluster_.Pass(cluster_.policy.stop_timeout + absl::Seconds(1));
  EXPECT_TRUE(Order().stop_now());
}

TEST_F(CancelTest, FreesTheSlotsForTheNextJob) {
  Run();
  ASSERT_TRUE(cluster_.Submit("b", {.world_size = 2}).ok());
  EXPECT_EQ(cluster_.state("b"), v1::JOB_STATE_QUEUED);
  ASSERT_TRUE(cluster_.Cancel("a", kAtOnce).ok());
  EXPECT_EQ(cluster_.state("b"), v1::JOB_STATE_QUEUED);
  cluster_.SayAll("a", Report::STATE_STOPPED);
  EXPECT_EQ(cluster_.state("b"), v1::JOB_STATE_STARTING);
}

}  // namespace
}  // namespace autotp::core
