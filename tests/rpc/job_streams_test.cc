// Goal: streams send what changed, resume where their reader stopped, never
// hide a gap, cost nothing for a slow reader, and end with the job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/rpc/fake_worker.h"

namespace autotp::testing {
namespace {

using Code = absl::StatusCode;
using Jobs = v1::JobService::Stub;
using Report = v1::ReportTrainerRequest;

class JobStreamsTest : public ::testing::Test {
 protected:
  JobStreamsTest() {
    EXPECT_TRUE(worker_.Register(2).ok());
    EXPECT_TRUE(worker_.RunJob("a", 1, "{}", /*max_restarts=*/1).ok());
  }
  v1::WatchJobRequest Watch(const std::string& name) {
    v1::WatchJobRequest request;
    request.set_name(name);
    return request;
  }
  v1::StreamJobMetricsRequest Metrics(int64_t after, bool follow) {
    v1::StreamJobMetricsRequest request;
    request.set_name("a");
    request.set_after_step(after);
    request.set_follow(follow);
    return request;
  }
  v1::TailJobLogsRequest Logs(int64_t offset, bool follow, int attempt = 0) {
    v1::TailJobLogsRequest request;
    request.set_name("a");
    request.set_offset(offset);
    request.set_follow(follow);
    request.set_attempt(attempt);
    return request;
  }
  // Everything of a log stream that ends by itself.
  std::vector<v1::TailJobLogsResponse> ReadLogs(
      const v1::TailJobLogsRequest& request) {
    Stream<v1::TailJobLogsResponse> stream(server_.jobs(), &Jobs::TailJobLogs,
                                           request);
    std::vector<v1::TailJobLogsResponse> parts;
    while (auto part = stream.Next()) parts.push_back(*std::move(part));
    EXPECT_TRUE(stream.Finish().ok());
    return parts;
  }
  static std::string Text(const std::vector<v1::TailJobLogsResponse>& parts) {
    std::string text;
    for (const auto& part : parts) text += part.data();
    return text;
  }
  absl::Status FinishJob() {
    return worker_.Report("jobs/a", 0, Report::STATE_FINISHED);
  }

  TestServer server_;
  FakeWorker worker_{server_, "w1"};
};

TEST_F(JobStreamsTest, WatchShowsEveryStateUntilTheEnd) {
  Stream<v1::WatchJobResponse> stream(server_.jobs(), &Jobs::WatchJob,
                                      Watch("a"));
  auto now = stream.Next();
  ASSERT_TRUE(now);
  EXPECT_EQ(now->job().status().state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(now->job().status().plan().classes_size(), 1);
  ASSERT_TRUE(worker_.Progress("jobs/a", 1, 3).ok());
  now = stream.Next();
  ASSERT_TRUE(now);
  EXPECT_EQ(now->job().status().progress().step(), 3);
  EXPECT_EQ(now->job().status().plan().classes_size(), 0) << "once is enough";
  ASSERT_TRUE(FinishJob().ok());
  v1::JobState last = v1::JOB_STATE_UNSPECIFIED;
  while ((now = stream.Next())) last = now->job().status().state();
  EXPECT_EQ(last, v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(stream.Finish().ok());
  // Who comes late sees how it ended.
  Stream<v1::WatchJobResponse> late(server_.jobs(), &Jobs::WatchJob,
                                    Watch("jobs/a"));
  now = late.Next();
  ASSERT_TRUE(now);
  EXPECT_EQ(now->job().status().state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_FALSE(late.Next());
  EXPECT_TRUE(late.Finish().ok());
}

TEST_F(JobStreamsTest, StreamsOfUnknownJobsAreNotFound) {
  Stream<v1::WatchJobResponse> watch(server_.jobs(), &Jobs::WatchJob,
                                     Watch("none"));
  EXPECT_EQ(watch.Finish().code(), Code::kNotFound);
  v1::StreamJobMetricsRequest metrics = Metrics(0, true);
  metrics.set_name("none");
  Stream<v1::StreamJobMetricsResponse> steps(server_.jobs(),
                                             &Jobs::StreamJobMetrics, metrics);
  EXPECT_EQ(steps.Finish().code(), Code::kNotFound);
  v1::TailJobLogsRequest logs = Logs(0, true);
  logs.set_name("none");
  Stream<v1::TailJobLogsResponse> lines(server_.jobs(), &Jobs::TailJobLogs,
                                        logs);
  EXPECT_EQ(lines.Finish().code(), Code::kNotFound);
}

// Each state is large, so that the transport holds one or two of them.
TEST_F(JobStreamsTest, SlowReaderSkipsStatesAndSeesTheLast) {
  constexpr int kChanges = 100;
  ASSERT_TRUE(worker_.RunJob("large", 1, std::string(1 << 20, ' ')).ok());
  Stream<v1::WatchJobResponse> stream(server_.jobs(), &Jobs::WatchJob,
                                      Watch("large"));
  ASSERT_TRUE(stream.Next());
  for (int step = 1; step <= kChanges; ++step) {
    ASSERT_TRUE(worker_.Progress("jobs/large", step, step).ok());
  }
  int seen = 0;
  int64_t last = 0;
  while (last < kChanges) {
    const auto now = stream.Next();
    ASSERT_TRUE(now);
    EXPECT_GE(now->job().status().progress().step(), last);
    last = now->job().status().progress().step();
    ++seen;
  }
  EXPECT_LT(seen, kChanges / 2) << "states were queued for a slow reader";
}

TEST_F(JobStreamsTest, ReaderThatLeavesIsForgotten) {
  Stream<v1::WatchJobResponse> stream(server_.jobs(), &Jobs::WatchJob,
                                      Watch("a"));
  ASSERT_TRUE(stream.Next());
  ASSERT_TRUE(server_.WaitForWaiters(1));
  stream.Cancel();
  EXPECT_EQ(stream.Finish().code(), Code::kCancelled);
  EXPECT_TRUE(server_.WaitForWaiters(0));
}

TEST_F(JobStreamsTest, MetricsResumeAfterAStepAndFollow) {
  ASSERT_TRUE(worker_.Progress("jobs/a", 1, 1'500).ok());
  Stream<v1::StreamJobMetricsResponse> stream(
      server_.jobs(), &Jobs::StreamJobMetrics, Metrics(2, true));
  std::vector<int64_t> steps;
  while (steps.size() < 1'498) {
    const auto run = stream.Next();
    ASSERT_TRUE(run);
    EXPECT_LE(run->steps_size(), 1'000);
    EXPECT_EQ(run->dropped_steps(), 0);
    for (const auto& step : run->steps()) steps.push_back(step.step());
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    ASSERT_EQ(steps[i], static_cast<int64_t>(i) + 3);
  }
  ASSERT_TRUE(worker_.Progress("jobs/a", 1'501, 1'501).ok());
  const auto next = stream.Next();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->steps(0).step(), 1'501);
  EXPECT_DOUBLE_EQ(next->steps(0).loss(), 1.0 / 1'501);
  ASSERT_TRUE(FinishJob().ok());
  EXPECT_FALSE(stream.Next());
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(JobStreamsTest, MetricsNameTheirGapAndEndWithoutFollow) {
  ASSERT_TRUE(worker_.Progress("jobs/a", 5, 6).ok());
  Stream<v1::StreamJobMetricsResponse> stream(
      server_.jobs(), &Jobs::StreamJobMetrics, Metrics(0, false));
  const auto run = stream.Next();
  ASSERT_TRUE(run);
  EXPECT_EQ(run->dropped_steps(), 4);
  EXPECT_EQ(run->steps_size(), 2);
  EXPECT_FALSE(stream.Next());
  EXPECT_TRUE(stream.Finish().ok());
  Stream<v1::StreamJobMetricsResponse> negative(
      server_.jobs(), &Jobs::StreamJobMetrics, Metrics(-1, false));
  EXPECT_EQ(negative.Finish().code(), Code::kInvalidArgument);
}

TEST_F(JobStreamsTest, LogsResumeAtAnOffsetAndFollow) {
  ASSERT_TRUE(worker_.UploadLog("jobs/a", 0, 0, "hello\nworld\n").ok());
  Stream<v1::TailJobLogsResponse> stream(server_.jobs(), &Jobs::TailJobLogs,
                                         Logs(6, true));
  auto part = stream.Next();
  ASSERT_TRUE(part);
  EXPECT_EQ(part->data(), "world\n");
  EXPECT_EQ(part->offset(), 6);
  EXPECT_EQ(part->attempt(), 1);
  ASSERT_TRUE(worker_.UploadLog("jobs/a", 0, 12, "again\n").ok());
  part = stream.Next();
  ASSERT_TRUE(part);
  EXPECT_EQ(part->data(), "again\n");
  ASSERT_TRUE(FinishJob().ok());
  server_.clock().Advance(absl::Seconds(1));  // readers look now and then
  EXPECT_FALSE(stream.Next());
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(JobStreamsTest, LogsNoLongerBufferedComeFromTheirFile) {
  const std::filesystem::path folder(server_.folder() / "out/logs");
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "attempt-1-rank-0.log") << "0123456789";
  // The buffer begins where the file is known to end.
  ASSERT_TRUE(worker_.UploadLog("jobs/a", 0, 10, "abc").ok());
  const auto parts = ReadLogs(Logs(4, false));
  EXPECT_EQ(Text(parts), "456789abc");
  EXPECT_EQ(parts[0].offset(), 4);
}

TEST_F(JobStreamsTest, LogsNameWhatIsMissing) {
  ASSERT_TRUE(worker_.UploadLog("jobs/a", 0, 100, "late").ok());
  const auto parts = ReadLogs(Logs(0, false));
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].dropped_bytes(), 100);
  EXPECT_EQ(parts[0].offset(), 100);
}

// After a restart of the coordinator no buffer says where the log goes on.
TEST_F(JobStreamsTest, LongFilesNameWhatOfThemIsNotSent) {
  const std::filesystem::path folder(server_.folder() / "out/logs");
  std::filesystem::create_directories(folder);
  constexpr int64_t kSize = (8 << 20) + 5;
  std::ofstream(folder / "attempt-1-rank-0.log") << std::string(kSize, 'x');
  const auto parts = ReadLogs(Logs(0, false));
  ASSERT_FALSE(parts.empty());
  EXPECT_EQ(Text(parts).size(), size_t{8 << 20});
  EXPECT_EQ(parts.back().dropped_bytes(), 5);
  EXPECT_EQ(parts.back().offset(), kSize);
}

TEST_F(JobStreamsTest, FollowerGoesOnWithTheNextAttemptFromItsBeginning) {
  ASSERT_TRUE(worker_.UploadLog("jobs/a", 0, 0, "first attempt\n").ok());
  Stream<v1::TailJobLogsResponse> newest(server_.jobs(), &Jobs::TailJobLogs,
                                         Logs(0, true));
  Stream<v1::TailJobLogsResponse> pinned(server_.jobs(), &Jobs::TailJobLogs,
                                         Logs(0, true, /*attempt=*/1));
  ASSERT_TRUE(newest.Next());
  ASSERT_TRUE(pinned.Next());
  ASSERT_TRUE(worker_.Report("jobs/a", 0, Report::STATE_FAILED).ok());
  ASSERT_TRUE(worker_.UploadLog("jobs/a", 0, 0, "second\n", 2).ok());
  const auto part = newest.Next();
  ASSERT_TRUE(part);
  EXPECT_EQ(part->data(), "second\n");
  EXPECT_EQ(part->offset(), 0);
  EXPECT_EQ(part->attempt(), 2);
  EXPECT_FALSE(pinned.Next());
  EXPECT_TRUE(pinned.Finish().ok());
}

TEST_F(JobStreamsTest, BadRequestsForLogs) {
  const auto code = [&](v1::TailJobLogsRequest request) {
    Stream<v1::TailJobLogsResponse> stream(server_.jobs(), &Jobs::TailJobLogs,
                                           request);
    return stream.Finish().code();
  };
  EXPECT_EQ(code(Logs(-1, false)), Code::kInvalidArgument);
  EXPECT_EQ(code(Logs(0, true, /*attempt=*/-1)), Code::kInvalidArgument);
  EXPECT_EQ(code(Logs(0, true, /*attempt=*/2)), Code::kNotFound);
  v1::TailJobLogsRequest request = Logs(0, true);
  request.set_rank(1);
  EXPECT_EQ(code(request), Code::kInvalidArgument);
}

}  // namespace
}  // namespace autotp::testing
