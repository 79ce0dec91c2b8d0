// Goal: an attempt starts, runs, ends and is tried again as its ranks and its
// user say; a failure names the right rank.
#include "coordinator/core/attempts.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using testing::HasSubstr;
using Report = Cluster::Report;

class AttemptsTest : public testing::Test {
 protected:
  void Start(const JobOptions& options, int slots_each = 2) {
    ASSERT_TRUE(cluster_.Register("w1", slots_each).ok());
    ASSERT_TRUE(cluster_.Register("w2", slots_each).ok());
    ASSERT_TRUE(cluster_.Submit("a", options).ok());
    ASSERT_EQ(cluster_.state("a"), v1::JOB_STATE_STARTING);
  }
  void Run(const JobOptions& options, int slots_each = 2) {
    Start(options, slots_each);
    cluster_.SayAll("a", Report::STATE_READY);
    ASSERT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  }
  const v1::JobStatus& status() { return cluster_.job("a").status(); }

  Cluster cluster_;
};

TEST_F(AttemptsTest, RunsWhenTheLastRankIsReady) {
  Start({.world_size = 2});
  ASSERT_TRUE(cluster_.Say("a", 1, Report::STATE_READY).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_STARTING);
  ASSERT_TRUE(cluster_.Say("a", 0, Report::STATE_READY).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(cluster_.reason("a"), "training from step 1");
}

TEST_F(AttemptsTest, SucceedsWhenTheLastRankHasFinished) {
  Run({.world_size = 2});
  ASSERT_TRUE(cluster_.Step("a", 100).ok());
  ASSERT_TRUE(cluster_.Say("a", 0, Report::STATE_FINISHED).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(cluster_.Say("a", 1, Report::STATE_FINISHED).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(cluster_.reason("a"), "100 steps in 1 attempt");
  EXPECT_EQ(status().model_path(), "/out/a/model");
  EXPECT_EQ(cluster_.job("a").record.ranks_size(), 0);
}

TEST_F(AttemptsTest, MayFinishBeforeAllWereSeenReady) {
  Start({.world_size = 2});
  cluster_.SayAll("a", Report::STATE_FINISHED);
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(AttemptsTest, AReportSaidAgainChangesNothing) {
  Run({.world_size = 2});
  ASSERT_TRUE(cluster_.Say("a", 0, Report::STATE_FINISHED).ok());
  for (const auto again :
       {Report::STATE_READY, Report::STATE_FINISHED, Report::STATE_FAILED}) {
    ASSERT_TRUE(cluster_.Say("a", 0, again).ok());
    EXPECT_TRUE(cluster_.effects.writes.empty());
  }
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
}

TEST_F(AttemptsTest, AStateMustBeSaid) {
  Start({});
  EXPECT_TRUE(
      absl::IsInvalidArgument(cluster_.Say("a", 0, Report::STATE_UNSPECIFIED)));
}

struct FailureCase {
  v1::FailureReason reason;
  bool is_retried;
};

TEST_F(AttemptsTest, IsTriedAgainUnlessItWouldMeetTheSameEnd) {
  const std::vector<FailureCase> cases = {
      {v1::FAILURE_REASON_UNSPECIFIED, true},
      {v1::FAILURE_REASON_TRAINER_EXITED, true},
      {v1::FAILURE_REASON_WORKER_LOST, true},
      {v1::FAILURE_REASON_COLLECTIVE, true},
      {v1::FAILURE_REASON_STORAGE, true},
      {v1::FAILURE_REASON_INTERNAL, true},
      {v1::FAILURE_REASON_DATA, false},
      {v1::FAILURE_REASON_MODEL, false},
      {v1::FAILURE_REASON_NUMERIC, false}};
  for (const FailureCase& failure : cases) {
    SCOPED_TRACE(v1::FailureReason_Name(failure.reason));
    cluster_ = Cluster();
    Run({.max_restarts = 1});
    ASSERT_TRUE(cluster_.Fail("a", 0, failure.reason, "why").ok());
    EXPECT_EQ(cluster_.state("a"), failure.is_retried ? v1::JOB_STATE_STARTING
                                                      : v1::JOB_STATE_FAILED);
    EXPECT_EQ(status().attempt(), failure.is_retried ? 2 : 1);
    EXPECT_EQ(status().group_epoch(), status().attempt());
  }
}

TEST_F(AttemptsTest, EndsWhenItsRestartsAreUsed) {
  Run({.max_restarts = 2});
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(status().attempt(), attempt);
    ASSERT_TRUE(
        cluster_.Fail("a", 0, v1::FAILURE_REASON_TRAINER_EXITED, "boom").ok());
  }
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
  EXPECT_EQ(cluster_.reason("a"),
            "rank 0 on w1: boom (all 2 restarts are used)");
}

TEST_F(AttemptsTest, WaitsForSlotsBetweenAttemptsAndSaysSo) {
  Run({.world_size = 4, .max_restarts = 1});
  cluster_.silent.insert("w2");
  cluster_.Pass(absl::Seconds(12));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RECOVERING);
  EXPECT_EQ(cluster_.reason("a"), "waiting for 4 slots: 2 free on 1 worker");
  ASSERT_TRUE(cluster_.Register("w3", 2).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_STARTING);
  EXPECT_EQ(status().last_failure().reason(), v1::FAILURE_REASON_WORKER_LOST);
  EXPECT_EQ(status().last_failure().worker(), "w2");
  EXPECT_THAT(status().last_failure().message(), HasSubstr("was silent for"));
}

TEST_F(AttemptsTest, ResumesFromTheNewestCommit) {
  Run({.world_size = 2, .max_restarts = 1});
  ASSERT_TRUE(cluster_.Save("a", 10).ok());
  ASSERT_TRUE(cluster_.Save("a", 20).ok());
  ASSERT_TRUE(cluster_.Begin("a", 30).ok());
  ASSERT_TRUE(cluster_.Step("a", 33).ok());
  ASSERT_TRUE(cluster_.Fail("a", 1, v1::FAILURE_REASON_INTERNAL).ok());
  EXPECT_EQ(cluster_.reason("a"),
            "attempt 2 on 2 slots from the checkpoint of step 20");
  EXPECT_EQ(cluster_.job("a").record.resume_manifest(),
            "/out/a/checkpoints/step-00000020-a1-g1-01234567/MANIFEST.json");
  EXPECT_EQ(status().progress().step(), 20);
}

TEST_F(AttemptsTest, BlamesTheRankBehindABrokenCollective) {
  Run({.world_size = 2});
  ASSERT_TRUE(
      cluster_.Fail("a", 0, v1::FAILURE_REASON_COLLECTIVE, "echo").ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(
      cluster_.Fail("a", 1, v1::FAILURE_REASON_TRAINER_EXITED, "cause").ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
  EXPECT_EQ(cluster_.reason("a"), "rank 1 on w1: cause");
}

TEST_F(AttemptsTest, BelievesABrokenCollectiveInTheEnd) {
  Run({.world_size = 2});
  ASSERT_TRUE(cluster_.Fail("a", 1, v1::FAILURE_REASON_COLLECTIVE, "one").ok());
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_COLLECTIVE, "two").ok());
  cluster_.Pass(cluster_.policy.blame_grace);
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  cluster_.Pass(absl::Seconds(1));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
  EXPECT_EQ(cluster_.reason("a"), "rank 1 on w1: one");
}

TEST_F(AttemptsTest, ABrokenCollectiveOutlivesTheCoordinator) {
  Run({.world_size = 2});
  cluster_.SayAll("a", Report::STATE_READY);
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_COLLECTIVE, "one").ok());
  ASSERT_TRUE(cluster_.Fail("a", 1, v1::FAILURE_REASON_COLLECTIVE, "two").ok());
  ASSERT_TRUE(cluster_.Restart().ok());
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  cluster_.Pass(cluster_.policy.blame_grace + absl::Seconds(1));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
  EXPECT_EQ(cluster_.reason("a"), "rank 0 on w1: one");
}

TEST_F(AttemptsTest, AFailedRankIsNotAReadyOne) {
  Start({.world_size = 2});
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_COLLECTIVE).ok());
  ASSERT_TRUE(cluster_.Say("a", 1, Report::STATE_READY).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_STARTING);
}

TEST_F(AttemptsTest, ARankThatStopsUnaskedHasFailed) {
  Run({});
  ASSERT_TRUE(cluster_.Say("a", 0, Report::STATE_STOPPED).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
  EXPECT_THAT(cluster_.reason("a"), HasSubstr("stopped without an order"));
}

TEST(DescribeFailureTest, SaysHowAProcessEnded) {
  v1::Failure failure;
  failure.set_rank(3);
  failure.set_worker("w");
  EXPECT_EQ(DescribeFailure(failure), "rank 3 on w");
  failure.set_exit_code(2);
  EXPECT_EQ(DescribeFailure(failure), "rank 3 on w exited with status 2");
  failure.set_signal(9);
  failure.set_message("out of memory");
  EXPECT_EQ(DescribeFailure(failure),
            "rank 3 on w ended by signal 9: out of memory");
}

}  // namespace
}  // namespace autotp::core
