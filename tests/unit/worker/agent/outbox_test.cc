// Goal: reports go out in order, coalesced, and none is lost.
#include "worker/agent/outbox.h"

#include <gtest/gtest.h>

namespace autotp::agent {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000);

v1::StepMetrics Step(int64_t step) {
  v1::StepMetrics metrics;
  metrics.set_step(step);
  return metrics;
}

v1::ReportTrainerRequest State(int rank,
                               v1::ReportTrainerRequest::State state) {
  v1::ReportTrainerRequest report;
  report.set_rank(rank);
  report.set_state(state);
  return report;
}

TEST(OutboxTest, FirstStepGoesAtOnceAndTheNextOnesTogether) {
  Outbox outbox;
  outbox.AddStep(0, Step(1));
  ASSERT_TRUE(outbox.Next(kStart).has_value());
  outbox.AddStep(0, Step(2));
  EXPECT_FALSE(outbox.Next(kStart).has_value()) << "one batch is out";
  outbox.Acknowledge();
  outbox.AddStep(0, Step(3));
  EXPECT_FALSE(outbox.Next(kStart + absl::Milliseconds(199)).has_value());
  EXPECT_EQ(outbox.NextTime(), kStart + absl::Milliseconds(200));
  const auto batch = outbox.Next(outbox.NextTime());
  ASSERT_TRUE(batch.has_value());
  ASSERT_EQ(batch->steps.size(), 2u);
  EXPECT_EQ(batch->steps[0].step(), 2);
  outbox.Acknowledge();
  EXPECT_TRUE(outbox.empty());
}

TEST(OutboxTest, StateFlushesTheStepsBeforeItAndFollowsThem) {
  Outbox outbox;
  outbox.AddStep(0, Step(1));
  outbox.Next(kStart);
  outbox.Acknowledge();
  outbox.AddStep(0, Step(2));
  outbox.AddState(State(0, v1::ReportTrainerRequest::STATE_FINISHED));
  outbox.AddStep(0, Step(3));
  const auto steps = outbox.Next(kStart);
  ASSERT_TRUE(steps.has_value());
  EXPECT_FALSE(steps->state.has_value());
  ASSERT_EQ(steps->steps.size(), 1u);
  outbox.Acknowledge();
  const auto state = outbox.Next(kStart);
  ASSERT_TRUE(state.has_value() && state->state.has_value());
  outbox.Acknowledge();
  EXPECT_FALSE(outbox.Next(kStart).has_value()) << "step 3 waits again";
}

TEST(OutboxTest, UnansweredBatchKeepsItsPlace) {
  Outbox outbox;
  outbox.AddState(State(0, v1::ReportTrainerRequest::STATE_READY));
  outbox.AddState(State(1, v1::ReportTrainerRequest::STATE_READY));
  ASSERT_EQ(outbox.Next(kStart)->rank, 0);
  outbox.Return();
  EXPECT_EQ(outbox.Next(kStart)->rank, 0);
}

TEST(OutboxTest, BatchesAreBoundedAndOfOneRank) {
  Outbox outbox(OutboxOptions{.num_steps_per_batch_max = 2});
  for (int step = 1; step <= 3; ++step) outbox.AddStep(0, Step(step));
  outbox.AddStep(1, Step(1));
  EXPECT_EQ(outbox.Next(kStart)->steps.size(), 2u);
  outbox.Acknowledge();
  const auto second = outbox.Next(kStart + absl::Seconds(1));
  EXPECT_EQ(second->steps.size(), 1u);
  EXPECT_EQ(second->rank, 0);
}

TEST(OutboxTest, FullOutboxSaysSoAndStillTakes) {
  Outbox outbox(OutboxOptions{.num_reports_max = 2});
  outbox.AddStep(0, Step(1));
  EXPECT_FALSE(outbox.full());
  outbox.AddStep(0, Step(2));
  EXPECT_TRUE(outbox.full());
  outbox.AddStep(0, Step(3));
  EXPECT_EQ(outbox.Next(kStart)->steps.size(), 3u);
}

}  // namespace
}  // namespace autotp::agent
