// Goal: what a stream sends next follows from the state and its own cursor:
// bounded messages, nothing twice, every gap named.
// Method: the pure `next` functions over a core and telemetry of the test's.
#include "coordinator/rpc/job_streams.h"

#include <gtest/gtest.h>

#include <string>

#include "coordinator/core/core.h"

namespace autotp::rpc {
namespace {

constexpr size_t kPiece = 64 << 10;  // bytes of a log in one message

class JobStreamsTest : public ::testing::Test {
 protected:
  JobStreamsTest() {
    core::Submission submission;
    submission.request.set_job_id("a");
    submission.request.mutable_spec()->set_world_size(2);
    submission.uid = "0123456789";
    auto plan = std::make_shared<v1::PlannedJob>();
    plan->mutable_plan()->set_tensor_parallel_size(1);
    plan->mutable_plan()->add_classes();
    submission.plan = plan;
    core::Effects effects;
    EXPECT_TRUE(core_.Apply(view_.now, submission, effects).ok());
  }
  void End() {
    core::Effects effects;
    v1::CancelJobRequest cancel;
    cancel.set_name("a");
    EXPECT_TRUE(core_.Apply(view_.now, cancel, effects).ok());
  }
  void AddSteps(int64_t first, int64_t last) {
    engine::MetricsRing& ring = telemetry_.metrics.Write("jobs/a");
    for (int64_t step = first; step <= last; ++step) {
      v1::StepMetrics metrics;
      metrics.set_step(step);
      ring.Append(1, metrics);
    }
  }

  core::Core core_{core::State()};
  engine::Telemetry telemetry_;
  engine::Topics topics_;
  const engine::View view_{core_, telemetry_, topics_,
                           absl::FromUnixSeconds(1'000)};
};

TEST_F(JobStreamsTest, WatchSendsOnlyWhatHasChangedAndThePlanOnce) {
  v1::WatchJobRequest request;
  request.set_name("a");
  auto next = WatchJobSteps(request);
  auto step = next(view_);
  ASSERT_TRUE(step.response);
  EXPECT_EQ(step.response->job().status().plan().classes_size(), 1);
  step = next(view_);
  EXPECT_FALSE(step.response);
  EXPECT_EQ(step.topic, engine::JobTopic("jobs/a"));
  End();
  step = next(view_);
  ASSERT_TRUE(step.response);
  EXPECT_EQ(step.response->job().status().state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(step.response->job().status().plan().classes_size(), 0);
  step = next(view_);
  EXPECT_FALSE(step.response);
  EXPECT_TRUE(step.topic.empty());
  EXPECT_TRUE(step.end.ok());
}

TEST_F(JobStreamsTest, MetricsComeInBoundedMessages) {
  AddSteps(1, 2'500);
  v1::StreamJobMetricsRequest request;
  request.set_name("a");
  request.set_follow(true);
  auto next = MetricsSteps(request);
  int64_t expected = 0;
  for (const int size : {1'000, 1'000, 500}) {
    const auto step = next(view_);
    ASSERT_TRUE(step.response);
    ASSERT_EQ(step.response->steps_size(), size);
    for (const auto& metrics : step.response->steps()) {
      ASSERT_EQ(metrics.step(), ++expected);
    }
  }
  EXPECT_EQ(next(view_).topic, engine::JobTopic("jobs/a"));
}

TEST_F(JobStreamsTest, LogsOfAFileAndABufferAreOneText) {
  const std::string file(kPiece + 10, 'f');
  telemetry_.logs.Write({"jobs/a", 1, 0}).Append(kPiece + 10, "buffered");
  v1::TailJobLogsRequest request;
  request.set_name("a");
  request.set_attempt(1);
  auto next = LogSteps(request, {1, file, kPiece + 10});
  auto step = next(view_);
  ASSERT_TRUE(step.response);
  EXPECT_EQ(step.response->data().size(), kPiece);
  step = next(view_);
  ASSERT_TRUE(step.response);
  EXPECT_EQ(step.response->data(), std::string(10, 'f'));
  EXPECT_EQ(step.response->offset(), static_cast<int64_t>(kPiece));
  step = next(view_);
  ASSERT_TRUE(step.response);
  EXPECT_EQ(step.response->data(), "buffered");
  EXPECT_EQ(step.response->dropped_bytes(), 0);
  EXPECT_TRUE(next(view_).end.ok());
}

TEST_F(JobStreamsTest, WhatOfAFileIsNotSentIsNamedOnce) {
  v1::TailJobLogsRequest request;
  request.set_name("a");
  request.set_attempt(1);
  request.set_offset(5);
  auto next = LogSteps(request, {1, "0123", 100});
  EXPECT_EQ(next(view_).response->data(), "0123");
  const auto step = next(view_);
  ASSERT_TRUE(step.response);
  EXPECT_EQ(step.response->offset(), 100);
  EXPECT_EQ(step.response->dropped_bytes(), 91);
  EXPECT_FALSE(next(view_).response);
}

}  // namespace
}  // namespace autotp::rpc
