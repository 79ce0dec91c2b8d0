// Goal: a checkpoint counts when all of its parts and its manifest are there,
// in the era that began it; or never.
#include "coordinator/core/checkpoints.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Report = Cluster::Report;

class CheckpointsTest : public testing::Test {
 protected:
  void Run(const JobOptions& options) {
    ASSERT_TRUE(cluster_.Register("w1", 4).ok());
    ASSERT_TRUE(cluster_.Submit("a", options).ok());
    cluster_.SayAll("a", Report::STATE_READY);
  }
  std::vector<int64_t> Steps(v1::Checkpoint::State state) {
    std::vector<int64_t> steps;
    for (const auto& [key, record] : cluster_.job("a").checkpoints) {
      if (record.checkpoint().state() == state) steps.push_back(key.step);
    }
    return steps;
  }
  std::vector<int64_t> Committed() {
    return Steps(v1::Checkpoint::STATE_COMMITTED);
  }

  Cluster cluster_;
};

TEST_F(CheckpointsTest, IsCommittedWithAllOfItsParts) {
  Run({.world_size = 2});
  const auto begun = cluster_.Begin("a", 5);
  ASSERT_TRUE(begun.ok());
  EXPECT_EQ(begun->checkpoint(), "jobs/a/checkpoints/5");
  EXPECT_EQ(begun->path(), "/out/a/checkpoints/step-00000005-a1-g1-01234567");
  const auto last = cluster_.AddPart("a", 5, 1);
  ASSERT_TRUE(last.ok());
  EXPECT_FALSE(last->complete());
  EXPECT_EQ(last->parts_size(), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster_.Commit("a", 5)));
  EXPECT_EQ(cluster_.job("a").record.committed_step(), 0);

  const auto all = cluster_.AddPart("a", 5, 0);
  ASSERT_TRUE(all.ok());
  EXPECT_TRUE(all->complete());
  ASSERT_EQ(all->parts_size(), 2);
  EXPECT_EQ(all->parts(0).rank(), 0);
  EXPECT_EQ(all->parts(1).rank(), 1);
  EXPECT_THAT(Committed(), IsEmpty());  // not before the manifest is there
  ASSERT_TRUE(cluster_.Commit("a", 5).ok());
  EXPECT_THAT(Committed(), ElementsAre(5));
  EXPECT_EQ(cluster_.job("a").record.committed_step(), 5);
  EXPECT_EQ(cluster_.job("a").status().latest_checkpoint(),
            "jobs/a/checkpoints/5");
}

TEST_F(CheckpointsTest, EveryCallMayComeAgain) {
  Run({.world_size = 2});
  const auto first = cluster_.Begin("a", 5);
  const auto again = cluster_.Begin("a", 5);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->path(), first->path());
  EXPECT_THAT(cluster_.effects.writes, IsEmpty());
  ASSERT_TRUE(cluster_.AddPart("a", 5, 0).ok());
  ASSERT_TRUE(cluster_.AddPart("a", 5, 0).ok());
  EXPECT_THAT(cluster_.effects.writes, IsEmpty());
  ASSERT_TRUE(cluster_.AddPart("a", 5, 1).ok());
  ASSERT_TRUE(cluster_.Commit("a", 5).ok());
  EXPECT_TRUE(cluster_.Commit("a", 5).ok());
  EXPECT_THAT(cluster_.effects.writes, IsEmpty());
  EXPECT_TRUE(cluster_.Begin("a", 5).ok());  // a slow rank asks for the folder
  EXPECT_TRUE(cluster_.AddPart("a", 5, 1).ok());
}

TEST_F(CheckpointsTest, WhatWasSaidIsNotSaidOtherwise) {
  Run({.world_size = 1});
  ASSERT_TRUE(cluster_.Save("a", 5).ok());
  EXPECT_TRUE(
      absl::IsInvalidArgument(cluster_.AddPart("a", 5, 0, 101).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster_.Commit("a", 5, "other")));
}

TEST_F(CheckpointsTest, OnlyNewerStepsAreBegunAndCommitted) {
  Run({});
  ASSERT_TRUE(cluster_.Begin("a", 4).ok());
  ASSERT_TRUE(cluster_.AddPart("a", 4, 0).ok());
  ASSERT_TRUE(cluster_.Save("a", 5).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster_.Begin("a", 3).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster_.Commit("a", 4)));
  EXPECT_EQ(cluster_.job("a").record.committed_step(), 5);
}

TEST_F(CheckpointsTest, AStepIsOneOfTheJob) {
  Run({});
  for (const int64_t step : {-1, 0, 101}) {
    EXPECT_TRUE(absl::IsInvalidArgument(cluster_.Begin("a", step).status()))
        << step;
  }
  EXPECT_TRUE(cluster_.Begin("a", 100).ok());
}

TEST_F(CheckpointsTest, WhatWasNotBegunIsNotFound) {
  Run({});
  EXPECT_TRUE(absl::IsNotFound(cluster_.AddPart("a", 5, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(cluster_.Commit("a", 5)));
}

TEST_F(CheckpointsTest, AnEndedAttemptLeavesNothingThatCounts) {
  Run({.max_restarts = 1});
  const auto begun = cluster_.Begin("a", 5);
  ASSERT_TRUE(cluster_.AddPart("a", 5, 0).ok());
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_INTERNAL).ok());
  EXPECT_THAT(Steps(v1::Checkpoint::STATE_ABORTED), ElementsAre(5));
  cluster_.SayAll("a", Report::STATE_READY);
  // The same step of the next attempt is another checkpoint.
  EXPECT_TRUE(absl::IsNotFound(cluster_.Commit("a", 5)));
  const auto anew = cluster_.Begin("a", 5);
  ASSERT_TRUE(anew.ok());
  EXPECT_NE(anew->path(), begun->path());
  EXPECT_THAT(cluster_.effects.removable_folders, IsEmpty());
  ASSERT_TRUE(cluster_.AddPart("a", 5, 0).ok());
  ASSERT_TRUE(cluster_.Commit("a", 5).ok());
  ASSERT_TRUE(cluster_.Say("a", 0, Report::STATE_FINISHED).ok());
  EXPECT_THAT(cluster_.effects.removable_folders, ElementsAre(begun->path()));
}

TEST_F(CheckpointsTest, KeepsAsManyAsTheUserWants) {
  Run({.keep_latest = 2});
  for (const int64_t step : {1, 2, 3}) {
    ASSERT_TRUE(cluster_.Save("a", step).ok());
  }
  EXPECT_THAT(Committed(), ElementsAre(2, 3));
  EXPECT_THAT(cluster_.effects.removable_folders,
              ElementsAre(HasSubstr("step-00000001-")));
  // The record goes with the same commit, before the folder.
  EXPECT_FALSE(
      cluster_.rows.contains({Table::kCheckpoints, "jobs/a/000000000001/1/1"}));
}

TEST_F(CheckpointsTest, KeepsTheOneThatTheAttemptResumedFrom) {
  Run({.max_restarts = 1, .keep_latest = 1});
  ASSERT_TRUE(cluster_.Save("a", 1).ok());
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_INTERNAL).ok());
  ASSERT_TRUE(cluster_.Save("a", 2).ok());
  ASSERT_TRUE(cluster_.Save("a", 3).ok());
  EXPECT_THAT(Committed(), ElementsAre(1, 3));
}

TEST_F(CheckpointsTest, GoesOnAfterARestartOfTheCoordinator) {
  Run({.world_size = 2});
  ASSERT_TRUE(cluster_.Begin("a", 5).ok());
  ASSERT_TRUE(cluster_.AddPart("a", 5, 0).ok());
  ASSERT_TRUE(cluster_.Restart().ok());
  ASSERT_TRUE(cluster_.Register("w1", 4).ok());
  ASSERT_TRUE(cluster_.AddPart("a", 5, 1).ok());
  EXPECT_TRUE(cluster_.Commit("a", 5).ok());
  ASSERT_TRUE(cluster_.Restart().ok());
  EXPECT_THAT(Committed(), ElementsAre(5));
}

TEST_F(CheckpointsTest, ListsWhatIsCommittedOrBeingWritten) {
  Run({.max_restarts = 1});
  ASSERT_TRUE(cluster_.Begin("a", 4).ok());
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_INTERNAL).ok());
  ASSERT_TRUE(cluster_.Save("a", 5).ok());
  ASSERT_TRUE(cluster_.Begin("a", 6).ok());
  v1::ListCheckpointsRequest request;
  request.set_job("a");
  const auto list = cluster_.core->ListCheckpoints(request);
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->checkpoints_size(), 2);
  EXPECT_EQ(list->checkpoints(0).step(), 5);
  EXPECT_EQ(list->checkpoints(1).state(), v1::Checkpoint::STATE_WRITING);
}

TEST_F(CheckpointsTest, AreTriggeredInARunningJobOnly) {
  v1::TriggerCheckpointRequest request;
  request.set_job("a");
  EXPECT_TRUE(absl::IsNotFound(cluster_.Apply(request).status()));
  ASSERT_TRUE(cluster_.Submit("a").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster_.Apply(request).status()));
  ASSERT_TRUE(cluster_.Register("w1", 1).ok());
  cluster_.SayAll("a", Report::STATE_READY);
  ASSERT_TRUE(cluster_.Apply(request).ok());
  EXPECT_THAT(cluster_.effects.workers, UnorderedElementsAre("w1"));
  const auto assignment =
      cluster_.core->AssignmentAfter(cluster_.FenceOf("w1"), 0);
  ASSERT_TRUE(assignment.ok());
  ASSERT_EQ((*assignment)->orders_size(), 1);
  EXPECT_EQ((*assignment)->orders(0).checkpoint_request(), 1);
}

}  // namespace
}  // namespace autotp::core
