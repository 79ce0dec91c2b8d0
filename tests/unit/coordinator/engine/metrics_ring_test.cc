// Goal: readers get every finished step once and in order, and hear of those
// that are gone.
#include "coordinator/engine/metrics_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace autotp::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void Append(MetricsRing& ring, int attempt, int64_t first, int64_t last,
            double loss = 1.0) {
  for (int64_t step = first; step <= last; ++step) {
    v1::StepMetrics metrics;
    metrics.set_step(step);
    metrics.set_loss(loss);
    metrics.set_tokens(100 + step);
    metrics.set_step_seconds(0.5);
    ring.Append(attempt, metrics);
  }
}

std::vector<int64_t> Steps(const MetricsRing::Run& run) {
  std::vector<int64_t> steps;
  for (const v1::StepMetrics& step : run.steps) steps.push_back(step.step());
  return steps;
}

TEST(MetricsRingTest, ReadsGoOnAfterAStep) {
  MetricsRing ring;
  Append(ring, 1, 1, 5);
  EXPECT_THAT(Steps(ring.Read(0, 3)), ElementsAre(1, 2, 3));
  const MetricsRing::Run rest = ring.Read(3, 3);
  EXPECT_THAT(Steps(rest), ElementsAre(4, 5));
  EXPECT_EQ(rest.dropped, 0);
  EXPECT_EQ(rest.steps[0].tokens(), 104);
  EXPECT_EQ(rest.steps[0].step_seconds(), 0.5);
  EXPECT_THAT(Steps(ring.Read(5, 3)), IsEmpty());
}

TEST(MetricsRingTest, StepsThatComeAgainAreSkipped) {
  MetricsRing ring;
  Append(ring, 1, 1, 3, 1.0);
  Append(ring, 1, 2, 4, 9.0);
  const MetricsRing::Run run = ring.Read(0, 10);
  EXPECT_THAT(Steps(run), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(run.steps[1].loss(), 1.0);
}

TEST(MetricsRingTest, NewAttemptReplacesTheStepsAfterItsCheckpoint) {
  MetricsRing ring;
  Append(ring, 1, 1, 6, 1.0);
  Append(ring, 2, 4, 5, 2.0);
  Append(ring, 1, 7, 7, 3.0);  // late, from an attempt that is over
  const MetricsRing::Run run = ring.Read(0, 10);
  EXPECT_THAT(Steps(run), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(run.steps[2].loss(), 1.0);
  EXPECT_EQ(run.steps[3].loss(), 2.0);
}

TEST(MetricsRingTest, GapsEndARunAndAreCounted) {
  MetricsRing ring;
  Append(ring, 1, 1, 2);
  Append(ring, 1, 5, 6);
  EXPECT_THAT(Steps(ring.Read(0, 10)), ElementsAre(1, 2));
  const MetricsRing::Run run = ring.Read(2, 10);
  EXPECT_EQ(run.dropped, 2);
  EXPECT_THAT(Steps(run), ElementsAre(5, 6));
}

TEST(MetricsRingTest, OldestStepsGoFirst) {
  MetricsRing ring(0, /*steps_max=*/3);
  Append(ring, 1, 1, 10);
  const MetricsRing::Run run = ring.Read(4, 10);
  EXPECT_EQ(run.dropped, 3);
  EXPECT_THAT(Steps(run), ElementsAre(8, 9, 10));
}

TEST(MetricsRingTest, StepsBeforeAResumedJobAreNotMissing) {
  MetricsRing ring(/*first_step=*/100);
  Append(ring, 1, 101, 102);
  const MetricsRing::Run run = ring.Read(0, 10);
  EXPECT_EQ(run.dropped, 0);
  EXPECT_THAT(Steps(run), ElementsAre(101, 102));
}

}  // namespace
}  // namespace autotp::engine
