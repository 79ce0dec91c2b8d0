// Goal: readers get every finished step once and in order, and hear of those
// that are gone.
#include "coordinator/engine/metrics_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

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

TEST(MetricsRingTest, EveryFieldOfAStepComesBack) {
  v1::StepMetrics step;
  step.set_step(1);
  step.set_loss(2.5);
  step.set_grad_norm(3.5);
  step.set_learning_rate(0.25);
  step.set_tokens(64);
  step.set_step_seconds(0.5);
  step.set_loss_scale(4096);
  step.set_skipped(true);
  step.mutable_evaluation()->set_loss(1.5);
  step.mutable_evaluation()->set_tokens(31);
  std::vector<const google::protobuf::FieldDescriptor*> set;
  step.GetReflection()->ListFields(step, &set);
  ASSERT_EQ(static_cast<int>(set.size()), step.GetDescriptor()->field_count())
      << "a new field: keep it in the ring, and set it here";
  MetricsRing ring;
  ring.Append(1, step);
  const MetricsRing::Run run = ring.Read(0, 1);
  ASSERT_EQ(run.steps.size(), 1u);
  EXPECT_EQ(run.steps[0].SerializeAsString(), step.SerializeAsString());
  // And nothing comes that was not there.
  Append(ring, 1, 2, 2);
  EXPECT_FALSE(ring.Read(1, 1).steps[0].has_evaluation());
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
