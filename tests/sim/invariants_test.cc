// Goal: each invariant can fail. Method: a good history, then one change that
// breaks one rule; the answer must name that rule.
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sim/good_history.h"

namespace autotp::sim {
namespace {

using core::State;
using core::Worker;
using testing::HasSubstr;

class InvariantsTest : public testing::TestWithParam<Case> {};

TEST_P(InvariantsTest, SeesWhatIsBroken) {
  const absl::Status status = CheckNext(GetParam().change);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().broken));
}

std::vector<Case> StateCases() {
  return {
      {"SlotTwice", "is given to jobs/a and to jobs/a",
       [](Next& n) { n.rank(1).set_slot(0); }},
      {"SplitTensorParallelGroup", "is on two workers",
       [](Next& n) { n.rank(1).set_worker("w1"); }},
      {"MixedDevices", "mixes devices",
       [](Next& n) { n.rank(1).set_device("cuda"); }},
      {"MissingRank", "has 1 ranks, not 2",
       [](Next& n) { n.a().record.mutable_ranks()->RemoveLast(); }},
      {"IdleJobHoldsRanks", "holds ranks but is idle",
       [](Next& n) { n.b().record.add_ranks()->set_worker("w1"); }},
      {"IdleJobKeepsKeys", "keeps keys but is idle",
       [](Next& n) { n.b().keys["k"] = "v"; }},
      {"NoPlan", "runs without a plan", [](Next& n) { n.a().plan.reset(); }},
      {"LostWorker", "is on a lost worker",
       [](Next& n) { n.state.workers.at("w0").state = Worker::State::kLost; }},
      {"ReplacedProcess", "is on a replaced process",
       [](Next& n) { n.state.workers.at("w0").incarnation = "i2"; }},
      {"TooManyRestarts", "was restarted 4 times",
       [](Next& n) { n.a().record.set_restarts(4); }},
      {"NoReason", "does not say why",
       [](Next& n) { n.b().status().clear_state_message(); }},
      {"MissingPart", "is committed with 1 of 2 parts",
       [](Next& n) {
         n.a().checkpoints.at(kCommitted).mutable_parts()->RemoveLast();
       }},
      {"PartTwice", "lacks the part of rank 1",
       [](Next& n) {
         n.a().checkpoints.at(kCommitted).mutable_parts(1)->set_rank(0);
       }},
      {"CommitBehindTheJob", "newer than the job's committed step",
       [](Next& n) {
         Commit(n.a());
         n.a().record.set_committed_step(10);
       }},
      {"WrittenByAnotherEra", "written by an era that is over",
       [](Next& n) {
         AddCheckpoint(n.a(), {30, 1, 1}, v1::Checkpoint::STATE_WRITING);
       }},
      {"FolderTwice", "belongs to two eras",
       [](Next& n) {
         n.a().checkpoints.at(kWriting).mutable_checkpoint()->set_path(
             "/out/10");
       }},
      {"ResumedFromNothing", "which is not committed",
       [](Next& n) {
         n.a().record.set_resume_manifest("/out/20/MANIFEST.json");
       }},
      {"RequestTwice", "request request-a made jobs/a and jobs/b",
       [](Next& n) { n.b().record.set_request_id("request-a"); }},
      {"RequestForgotten", "the index of requests is wrong",
       [](Next& n) { n.state.requests.erase("request-b"); }},
      {"RemovedWhatCounts", "is removed but still counts",
       [](Next& n) { n.effects.removable_folders.push_back("/out/10"); }},
      {"RemovedWhatIsNeeded", "is removed while jobs/b needs it",
       [](Next& n) {
         n.b().record.set_first_manifest("/out/old/MANIFEST.json");
         n.effects.removable_folders.push_back("/out/old");
       }},
  };
}

std::vector<Case> HistoryCases() {
  return {
      {"JobIsGone", "jobs/b is gone",
       [](Next& n) {
         n.state.jobs.erase("jobs/b");
         n.state.requests.erase("request-b");
       }},
      {"TerminalMovedOn", "was FAILED and moved on to QUEUED",
       [](Next& n) { n.c().status().set_state(v1::JOB_STATE_QUEUED); }},
      {"AttemptWentBack", "went back from attempt 2",
       [](Next& n) {
         n.a().checkpoints.erase(kWriting);
         n.a().status().set_attempt(1);
       }},
      {"GroupEpochWentBack", "went back from attempt 2, group epoch 2",
       [](Next& n) {
         n.a().checkpoints.erase(kWriting);
         n.a().status().set_group_epoch(1);
       }},
      {"GroupEpochUsedAgain", "in an old group epoch",
       [](Next& n) {
         n.a().checkpoints.erase(kWriting);
         n.a().status().set_attempt(3);
       }},
      {"CommitLost", "lost the commit of step 10",
       [](Next& n) {
         n.a().checkpoints.erase(kCommitted);
         n.a().record.set_committed_step(0);
       }},
      {"CheckpointLost", "lost the checkpoint of step 10",
       [](Next& n) { n.a().checkpoints.erase(kCommitted); }},
      {"CommitUndone", "was decided and is not what it was",
       [](Next& n) {
         n.a()
             .checkpoints.at(kCommitted)
             .mutable_checkpoint()
             ->set_state(v1::Checkpoint::STATE_ABORTED);
       }},
      {"CommitOfAnotherEra", "of attempt 1 was committed in attempt 2",
       [](Next& n) {
         AddCheckpoint(n.a(), {15, 1, 1}, v1::Checkpoint::STATE_COMMITTED);
         n.a().record.set_committed_step(15);
       }},
      {"CommitByAStaleWorker", "a stale attempt changed the state",
       [](Next& n) {
         Commit(n.a());
         n.fence.set_attempt(1);
       }},
      {"CommitBackwards", "was committed behind step 10",
       [](Next& n) {
         AddCheckpoint(n.a(), {5, 2, 2}, v1::Checkpoint::STATE_COMMITTED);
       }},
      {"HistoryForgotten", "forgot its history",
       [](Next& n) { n.a().record.set_last_event(6); }},
      {"RequestChanged", "belongs to another request now",
       [](Next& n) {
         n.b().record.set_request_id("other");
         n.state.requests.erase("request-b");
         n.state.requests["other"] = "jobs/b";
       }},
      {"EpochWentBack", "epoch went back", [](Next& n) { n.state.epoch = 2; }},
      {"StaleEpochChanges", "a stale process changed the state",
       [](Next& n) { n.fence.set_coordinator_epoch(2); }},
      {"StaleProcessChanges", "a stale process changed the state",
       [](Next& n) { n.fence.set_incarnation("i0"); }},
      {"StaleGroupsChange", "a stale attempt changed the state",
       [](Next& n) { n.fence.set_group_epoch(1); }},
  };
}

std::string NameOf(const testing::TestParamInfo<Case>& test) {
  return test.param.name;
}
INSTANTIATE_TEST_SUITE_P(State, InvariantsTest, testing::ValuesIn(StateCases()),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(History, InvariantsTest,
                         testing::ValuesIn(HistoryCases()), NameOf);

TEST(GoodHistoryTest, IsNotComplainedAbout) {
  EXPECT_TRUE(CheckNext([](Next&) {}).ok());
  EXPECT_TRUE(CheckNext([](Next& n) { Commit(n.a()); }).ok());
}

TEST(ReloadTest, SeesWhatARestartLost) {
  const State before = GoodState();
  EXPECT_TRUE(CheckReload(before, GoodState()).ok());
  const std::vector<std::function<void(Next&)>> losses = {
      [](Next& n) { n.state.jobs.erase("jobs/b"); },
      [](Next& n) { n.state.requests.clear(); },
      [](Next& n) { n.a().record.set_stop_now(true); },
      [](Next& n) { n.rank(0).set_state(v1::RankRecord::STATE_ASSIGNED); },
      [](Next& n) { n.a().checkpoints.erase(kWriting); },
      [](Next& n) {
        n.a().checkpoints.at(kWriting).mutable_parts()->RemoveLast();
      },
      [](Next& n) { n.a().events.emplace_back(); }};
  for (size_t i = 0; i < losses.size(); ++i) {
    Next next;
    losses[i](next);
    EXPECT_FALSE(CheckReload(before, next.state).ok()) << i;
  }
}

TEST(ReloadTest, ProgressAndReasonsMayBeForgotten) {
  State after = GoodState();
  after.jobs.at("jobs/b").status().set_state_message("anew");
  after.jobs.at("jobs/a").status().mutable_progress()->set_step(1);
  EXPECT_TRUE(CheckReload(GoodState(), after).ok());
}

}  // namespace
}  // namespace autotp::sim
