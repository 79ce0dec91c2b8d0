// Goal: what was durable is what is loaded; what cannot be read is never
// guessed; workers that held ranks are expected back.
#include "coordinator/core/ledger.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using Report = Cluster::Report;

class LedgerTest : public testing::Test {
 protected:
  void Run(const JobOptions& options) {
    ASSERT_TRUE(cluster_.Register("w1", 2).ok());
    ASSERT_TRUE(cluster_.Register("w2", 2).ok());
    ASSERT_TRUE(cluster_.Submit("a", options).ok());
    cluster_.SayAll("a", Report::STATE_READY);
    ASSERT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  }

  Cluster cluster_;
};

TEST_F(LedgerTest, ARunningJobIsAdopted) {
  Run({.world_size = 2});
  ASSERT_TRUE(cluster_.Restart().ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  cluster_.Pass(absl::Seconds(30));
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  cluster_.Pass(cluster_.policy.adopt_window);
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(cluster_.job("a").status().attempt(), 1);
  cluster_.SayAll("a", Report::STATE_FINISHED);
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(LedgerTest, AWorkerThatDoesNotComeBackIsLost) {
  Run({.world_size = 2});
  ASSERT_TRUE(cluster_.Restart().ok());
  cluster_.Pass(cluster_.policy.adopt_window);
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RUNNING);
  cluster_.Pass(absl::Seconds(1));
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_FAILED);
  EXPECT_THAT(cluster_.reason("a"), HasSubstr("did not come back"));
}

TEST_F(LedgerTest, AnotherProcessIsNotAdopted) {
  Run({.world_size = 2, .max_restarts = 1});
  ASSERT_TRUE(cluster_.Restart().ok());
  ASSERT_TRUE(cluster_.Register("w1", 2, "i2").ok());
  EXPECT_EQ(cluster_.job("a").status().attempt(), 2);
}

TEST_F(LedgerTest, GroupsThatWereFormingFormAgain) {
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  ASSERT_TRUE(cluster_.Submit("a", {.world_size = 2}).ok());
  ASSERT_TRUE(cluster_.Restart().ok());
  cluster_.Apply(Tick());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_RECOVERING);
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_STARTING);
  EXPECT_EQ(cluster_.job("a").status().attempt(), 2);
  EXPECT_EQ(cluster_.job("a").record.restarts(), 0);
}

TEST_F(LedgerTest, AWorldOfOneHasNoGroupsToForm) {
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  ASSERT_TRUE(cluster_.Submit("a").ok());
  ASSERT_TRUE(cluster_.Restart().ok());
  cluster_.Apply(Tick());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_STARTING);
}

// Its rank of one job is done; then its host was restarted and holds a rank
// of another job. That process is the one to expect.
TEST_F(LedgerTest, ExpectsTheProcessThatHoldsAnOpenRank) {
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  ASSERT_TRUE(cluster_.Register("w2", 1).ok());
  ASSERT_TRUE(cluster_.Submit("z", {.world_size = 3}).ok());
  cluster_.SayAll("z", Report::STATE_READY);
  for (int rank = 0; rank < 3; ++rank) {
    if (cluster_.job("z").record.ranks(rank).worker() == "w1") {
      ASSERT_TRUE(cluster_.Say("z", rank, Report::STATE_FINISHED).ok());
    }
  }
  ASSERT_TRUE(cluster_.Register("w1", 3, "i2").ok());
  ASSERT_TRUE(cluster_.Submit("a").ok());
  ASSERT_EQ(cluster_.job("a").record.ranks(0).incarnation(), "i2");
  ASSERT_TRUE(cluster_.Restart().ok());
  ASSERT_TRUE(cluster_.Register("w1", 3, "i2").ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_STARTING);
  EXPECT_EQ(cluster_.job("a").status().attempt(), 1);
}

TEST_F(LedgerTest, AnExpectedWorkersAssignmentIsNewerThanAllBefore) {
  Run({.world_size = 2});
  const int64_t before = cluster_.core->state().workers.at("w1").generation;
  ASSERT_TRUE(cluster_.Restart().ok());
  ASSERT_TRUE(cluster_.Cancel("a").ok());  // touches it before it is back
  ASSERT_TRUE(cluster_.Register("w1", 2).ok());
  EXPECT_GT(cluster_.core->state().workers.at("w1").generation, before);
}

TEST_F(LedgerTest, EndedJobsAreKeptWithoutTheirPrograms) {
  Run({});
  cluster_.SayAll("a", Report::STATE_FINISHED);
  ASSERT_TRUE(cluster_.Restart().ok());
  EXPECT_EQ(cluster_.state("a"), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(cluster_.job("a").plan, nullptr);
  EXPECT_EQ(cluster_.core->ShowJob(cluster_.job("a"))
                .status()
                .plan()
                .tensor_parallel_size(),
            1);
}

TEST_F(LedgerTest, EveryTableIsReadOrTheStartFails) {
  Run({.world_size = 2});
  ASSERT_TRUE(cluster_.Begin("a", 1).ok());
  const auto rows = cluster_.rows;
  for (const Table table :
       {Table::kJobs, Table::kPlans, Table::kCheckpoints, Table::kEvents}) {
    SCOPED_TRACE(static_cast<int>(table));
    cluster_.rows = rows;
    bool spoilt = false;
    for (auto& [key, value] : cluster_.rows) {
      if (key.first != table) continue;
      value = "\xff not a message";
      spoilt = true;
    }
    ASSERT_TRUE(spoilt);
    const absl::Status status = cluster_.Restart();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("jobs/a"));
  }
}

TEST_F(LedgerTest, AJobWithoutItsPlanIsDataLoss) {
  Run({});
  cluster_.rows.erase({Table::kPlans, "jobs/a"});
  const absl::Status status = cluster_.Restart();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("lost its plan"));
}

TEST_F(LedgerTest, RowsOfNoJobAreLeftAlone) {
  Run({});
  ASSERT_TRUE(cluster_.Begin("a", 1).ok());
  cluster_.rows.erase({Table::kJobs, "jobs/a"});
  ASSERT_TRUE(cluster_.Restart().ok());
  EXPECT_THAT(cluster_.core->state().jobs, SizeIs(0));
}

}  // namespace
}  // namespace autotp::core
