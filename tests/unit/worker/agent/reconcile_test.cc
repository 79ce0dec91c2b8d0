// Goal: what runs becomes what is desired, one trainer a slot, and nothing
// that has ended or is broken is started again.
#include "worker/agent/reconcile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace autotp::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AttemptKey Try(int attempt) { return {"jobs/a", attempt, attempt}; }

v1::Assignment Desire(int attempt, const std::vector<int>& ranks) {
  v1::Assignment desired;
  for (const int rank : ranks) {
    v1::TrainerTask& task = *desired.add_tasks();
    task.set_job("jobs/a");
    task.set_attempt(attempt);
    task.set_group_epoch(attempt);
    task.set_rank(rank);
    task.set_slot(rank);
  }
  return desired;
}

v1::JobOrder& Order(v1::Assignment& desired, int attempt) {
  v1::JobOrder& order = *desired.add_orders();
  order.set_job("jobs/a");
  order.set_attempt(attempt);
  return order;
}

TrainerView Live(int attempt, int rank) {
  return {.attempt = Try(attempt), .rank = rank, .slot = rank, .live = true};
}

std::vector<std::string> Ends(const Actions& actions) {
  std::vector<std::string> ends;
  for (const EndTrainer& end : actions.end) {
    ends.push_back(std::to_string(end.attempt.attempt) + "/" +
                   std::to_string(end.rank));
  }
  return ends;
}

TEST(ReconcileTest, Table) {
  TrainerView ended = Live(1, 0);
  ended.live = false;
  TrainerView ending = Live(1, 0);
  ending.ending = true;
  struct Row {
    const char* name;
    v1::Assignment desired;
    std::vector<TrainerView> trainers;
    std::vector<AttemptKey> broken;
    std::vector<int> start;
    std::vector<std::string> end;
    size_t num_waiting;
  };
  const std::vector<Row> rows = {
      {"nothing at all", {}, {}, {}, {}, {}, 0},
      {"all are missing", Desire(1, {0, 1}), {}, {}, {0, 1}, {}, 0},
      {"one is missing", Desire(1, {0, 1}), {Live(1, 0)}, {}, {1}, {}, 0},
      {"all are there", Desire(1, {0}), {Live(1, 0)}, {}, {}, {}, 0},
      {"one is surplus",
       Desire(1, {0}),
       {Live(1, 0), Live(1, 1)},
       {},
       {},
       {"1/1"},
       0},
      {"surplus on its way out", {}, {ending}, {}, {}, {}, 0},
      {"ended stays ended", Desire(1, {0}), {ended}, {}, {}, {}, 0},
      {"new attempt waits for the slot",
       Desire(2, {0}),
       {Live(1, 0)},
       {},
       {},
       {"1/0"},
       1},
      {"new attempt takes a free slot",
       Desire(2, {0}),
       {ended},
       {},
       {0},
       {},
       0},
      {"broken attempt starts nothing",
       Desire(1, {0, 1}),
       {ended},
       {Try(1)},
       {},
       {},
       0},
      {"slot beyond the worker's", Desire(1, {5}), {}, {}, {}, {}, 1},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const Actions actions =
        Reconcile(row.desired, row.trainers, row.broken, /*num_slots=*/2);
    EXPECT_EQ(actions.start, row.start);
    EXPECT_EQ(Ends(actions), row.end);
    EXPECT_EQ(actions.waiting.size(), row.num_waiting);
    EXPECT_THAT(actions.forward, IsEmpty());
  }
}

TEST(ReconcileTest, WaitingTaskSaysForWhom) {
  const Actions actions = Reconcile(Desire(2, {0}), {Live(1, 0)}, {}, 1);
  ASSERT_EQ(actions.waiting.size(), 1u);
  EXPECT_THAT(actions.waiting[0].reason,
              HasSubstr("slot 0 is still held by rank 0 of jobs/a attempt 1"));
}

TEST(ReconcileTest, SlotIsGivenOnce) {
  v1::Assignment desired = Desire(1, {0, 1});
  desired.mutable_tasks(1)->set_slot(0);
  const Actions actions = Reconcile(desired, {}, {}, 2);
  EXPECT_THAT(actions.start, ElementsAre(0));
  EXPECT_EQ(actions.waiting.size(), 1u);
}

TEST(ReconcileTest, OrdersAreForwardedWhenTheyGrow) {
  v1::Assignment desired = Desire(1, {0, 1});
  Order(desired, 1).set_checkpoint_request(2);
  TrainerView told = Live(1, 1);
  told.sent.checkpoint_request = 2;
  Actions actions = Reconcile(desired, {Live(1, 0), told}, {}, 2);
  ASSERT_EQ(actions.forward.size(), 1u);
  EXPECT_EQ(actions.forward[0].rank, 0);
  desired.mutable_orders(0)->set_stop_after_step(true);
  actions = Reconcile(desired, {Live(1, 0), told}, {}, 2);
  EXPECT_EQ(actions.forward.size(), 2u);
}

TEST(ReconcileTest, OrderOfAnotherAttemptIsNotForwarded) {
  v1::Assignment desired = Desire(2, {0});
  Order(desired, 1).set_stop_after_step(true);
  EXPECT_THAT(Reconcile(desired, {Live(2, 0)}, {}, 1).forward, IsEmpty());
}

TEST(ReconcileTest, StopNowEndsAndStartsNothing) {
  v1::Assignment desired = Desire(1, {0, 1});
  Order(desired, 1).set_stop_now(true);
  const Actions actions = Reconcile(desired, {Live(1, 0)}, {}, 2);
  EXPECT_THAT(Ends(actions), ElementsAre("1/0"));
  EXPECT_TRUE(actions.end[0].ordered);
  EXPECT_THAT(actions.start, IsEmpty());
}

}  // namespace
}  // namespace autotp::agent
