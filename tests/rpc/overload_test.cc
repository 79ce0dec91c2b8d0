// Goal: whoever calls while the coordinator is full, stops, or cannot write
// is answered at once with a code that says what to do; nothing that was
// acknowledged is lost, and nobody waits for ever.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <algorithm>
#include <future>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/rpc/fake_worker.h"

namespace autotp::testing {
namespace {

using Code = absl::StatusCode;
using Jobs = v1::JobService::Stub;

absl::StatusOr<v1::Job> Get(TestServer& server, const std::string& name) {
  v1::GetJobRequest request;
  request.set_name(name);
  return Call(server.jobs(), &Jobs::GetJob, request);
}

v1::WatchJobRequest Watch(const std::string& name) {
  v1::WatchJobRequest request;
  request.set_name(name);
  return request;
}

v1::TailJobLogsRequest Follow(const std::string& name) {
  v1::TailJobLogsRequest request;
  request.set_name(name);
  request.set_follow(true);
  return request;
}

// Keeps the engine's thread from taking events, until it goes.
class EngineGate {
 public:
  explicit EngineGate(engine::Engine& engine) {
    const absl::Status posted = engine.Ask(
        [this](const engine::View&) {
          entered_.Notify();
          open_.WaitForNotificationWithTimeout(kPatience);
          left_.Notify();
        },
        [](const absl::Status&) {});
    EXPECT_TRUE(posted.ok()) << posted;
    entered_.WaitForNotification();
  }
  ~EngineGate() {
    open_.Notify();
    left_.WaitForNotification();
  }

 private:
  absl::Notification entered_;
  absl::Notification open_;
  absl::Notification left_;
};

TEST(OverloadTest, FullQueueOfTheEngineIsExhausted) {
  TestServer server(
      {.engine = {.queue_max = 1, .tick = absl::Milliseconds(2)}});
  FakeWorker worker(server, "w1");
  ASSERT_TRUE(worker.Register(1).ok());
  ASSERT_TRUE(worker.RunJob("a", 1).ok());
  {
    EngineGate gate(server.engine());
    ASSERT_TRUE(server.engine()
                    .Ask([](const engine::View&) {}, [](const absl::Status&) {})
                    .ok());
    EXPECT_EQ(Get(server, "a").status().code(), Code::kResourceExhausted);
    EXPECT_EQ(worker.Heartbeat().code(), Code::kResourceExhausted);
    EXPECT_EQ(Call(server.jobs(), &Jobs::CreateJob, JobRequest(server, "b", 1))
                  .status()
                  .code(),
              Code::kResourceExhausted);
    Stream<v1::WatchJobResponse> watch(server.jobs(), &Jobs::WatchJob,
                                       Watch("a"));
    EXPECT_EQ(watch.Finish().code(), Code::kResourceExhausted);
    Stream<v1::TailJobLogsResponse> logs(server.jobs(), &Jobs::TailJobLogs,
                                         Follow("a"));
    EXPECT_EQ(logs.Finish().code(), Code::kResourceExhausted);
    v1::GetKeyRequest key;
    *key.mutable_fence() = worker.FenceOf("jobs/a");
    key.set_key("key");
    EXPECT_EQ(
        Call(server.rendezvous(), &v1::RendezvousService::Stub::GetKey, key)
            .status()
            .code(),
        Code::kResourceExhausted);
  }
  // What was queued is still there at first.
  const absl::Time deadline = absl::Now() + kPatience;
  while (!Get(server, "a").ok()) ASSERT_LT(absl::Now(), deadline);
  EXPECT_TRUE(worker.Heartbeat().ok());
}

// One is being planned, one is queued: of three more, two find no place.
TEST(OverloadTest, FullQueueOfThePlannerIsExhausted) {
  TestServer server({.pool_threads = 1, .pool_queue = 1});
  server.planner().Hold();
  const auto validate = [&] {
    v1::ValidateJobRequest request;
    *request.mutable_spec() = JobRequest(server, "", 1).spec();
    return Call(server.jobs(), &Jobs::ValidateJob, request).status().code();
  };
  auto first = std::async(std::launch::async, validate);
  ASSERT_TRUE(server.planner().WaitForCalls(1));
  std::vector<std::future<Code>> more;
  for (int i = 0; i < 3; ++i) {
    more.push_back(std::async(std::launch::async, validate));
  }
  const auto is_answered = [](const std::future<Code>& call) {
    return call.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  };
  const absl::Time deadline = absl::Now() + kPatience;
  while (std::count_if(more.begin(), more.end(), is_answered) < 2) {
    ASSERT_LT(absl::Now(), deadline);
  }
  EXPECT_EQ(Call(server.jobs(), &Jobs::CreateJob, JobRequest(server, "b", 1))
                .status()
                .code(),
            Code::kResourceExhausted);
  server.planner().Release();
  EXPECT_EQ(first.get(), Code::kOk);
  std::vector<Code> codes;
  for (auto& call : more) codes.push_back(call.get());
  EXPECT_THAT(codes, ::testing::UnorderedElementsAre(Code::kOk,
                                                     Code::kResourceExhausted,
                                                     Code::kResourceExhausted));
  EXPECT_EQ(validate(), Code::kOk);
}

TEST(OverloadTest, StoppingEndsEveryStreamAndWait) {
  TestServer server;
  FakeWorker worker(server, "w1");
  ASSERT_TRUE(worker.Register(1).ok());
  ASSERT_TRUE(worker.RunJob("a", 1).ok());
  Stream<v1::WatchJobResponse> watch(server.jobs(), &Jobs::WatchJob,
                                     Watch("a"));
  v1::StreamJobMetricsRequest metrics_request;
  metrics_request.set_name("a");
  metrics_request.set_follow(true);
  Stream<v1::StreamJobMetricsResponse> metrics(
      server.jobs(), &Jobs::StreamJobMetrics, metrics_request);
  Stream<v1::TailJobLogsResponse> logs(server.jobs(), &Jobs::TailJobLogs,
                                       Follow("a"));
  v1::WatchAssignmentRequest assignment_request;
  *assignment_request.mutable_fence() = worker.fence();
  Stream<v1::WatchAssignmentResponse> assignments(
      server.workers(), &v1::WorkerService::Stub::WatchAssignment,
      assignment_request);
  auto key = std::async(std::launch::async, [&] {
    v1::GetKeyRequest request;
    *request.mutable_fence() = worker.FenceOf("jobs/a");
    request.set_key("key");
    request.mutable_wait()->set_seconds(60);
    return Call(server.rendezvous(), &v1::RendezvousService::Stub::GetKey,
                request)
        .status()
        .code();
  });
  ASSERT_TRUE(watch.Next());
  ASSERT_TRUE(assignments.Next());
  ASSERT_TRUE(server.WaitForWaiters(5));

  server.engine().Stop();
  EXPECT_EQ(watch.Finish().code(), Code::kUnavailable);
  EXPECT_EQ(metrics.Finish().code(), Code::kUnavailable);
  EXPECT_EQ(logs.Finish().code(), Code::kUnavailable);
  EXPECT_EQ(assignments.Finish().code(), Code::kUnavailable);
  EXPECT_EQ(key.get(), Code::kUnavailable);
  // Who calls now is told to come back.
  EXPECT_EQ(Get(server, "a").status().code(), Code::kUnavailable);
  EXPECT_EQ(worker.Heartbeat().code(), Code::kUnavailable);
  Stream<v1::WatchJobResponse> late(server.jobs(), &Jobs::WatchJob, Watch("a"));
  EXPECT_EQ(late.Finish().code(), Code::kUnavailable);
}

// A reader that takes nothing keeps its stream open until it is cancelled.
TEST(OverloadTest, StoppingDoesNotWaitForASlowReader) {
  TestServer server;
  FakeWorker worker(server, "w1");
  ASSERT_TRUE(worker.Register(1).ok());
  ASSERT_TRUE(worker.RunJob("a", 1).ok());
  ASSERT_TRUE(worker.UploadLog("jobs/a", 0, 0, std::string(1 << 20, 'x')).ok());
  Stream<v1::TailJobLogsResponse> slow(server.jobs(), &Jobs::TailJobLogs,
                                       Follow("a"));
  ASSERT_TRUE(slow.Next());
  server.Stop(absl::Milliseconds(50));
  EXPECT_FALSE(slow.Finish().ok());
}

TEST(OverloadTest, JobBeingPlannedWhileStoppingIsAnswered) {
  TestServer server;
  server.planner().Hold();
  auto created = std::async(std::launch::async, [&] {
    return Call(server.jobs(), &Jobs::CreateJob, JobRequest(server, "a", 1))
        .status()
        .code();
  });
  ASSERT_TRUE(server.planner().WaitForCalls(1));
  server.engine().Stop();
  server.planner().Release();
  EXPECT_EQ(created.get(), Code::kUnavailable);
}

TEST(OverloadTest, StoreThatFailsDecidesNothingAndLosesNothing) {
  TestServer server;
  FakeWorker worker(server, "w1");
  ASSERT_TRUE(worker.Register(1).ok());
  ASSERT_TRUE(worker.RunJob("a", 1).ok());
  server.OnEngine([&](const engine::View&) { server.disk().broken = true; });
  v1::CreateJobRequest request = JobRequest(server, "b", 1);
  request.set_request_id("r1");
  EXPECT_EQ(Call(server.jobs(), &Jobs::CreateJob, request).status().code(),
            Code::kUnavailable);
  EXPECT_EQ(Get(server, "a").status().code(), Code::kUnavailable);
  EXPECT_TRUE(worker.Heartbeat().ok()) << "workers are not lost for it";
  EXPECT_TRUE(worker.Progress("jobs/a", 1, 1).ok());
  EXPECT_TRUE(worker.UploadLog("jobs/a", 0, 0, "line\n").ok());
  EXPECT_EQ(worker.Report("jobs/a", 0, v1::ReportTrainerRequest::STATE_FINISHED)
                .code(),
            Code::kUnavailable);

  absl::Notification repaired;
  // Asks fail while the store does, so this rides on their failure.
  ASSERT_TRUE(server.engine()
                  .Ask([](const engine::View&) {},
                       [&](const absl::Status&) {
                         server.disk().broken = false;
                         repaired.Notify();
                       })
                  .ok());
  repaired.WaitForNotification();
  server.clock().Advance(absl::Seconds(2));  // of its next try
  const absl::Time deadline = absl::Now() + kPatience;
  while (!Get(server, "a").ok()) ASSERT_LT(absl::Now(), deadline);
  const auto job = Call(server.jobs(), &Jobs::CreateJob, request);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->name(), "jobs/b");
  EXPECT_EQ(Get(server, "a")->status().state(), v1::JOB_STATE_RUNNING);
}

TEST(OverloadTest, SocketIsItsOwnersAloneAndIsNotTakenFromALivingServer) {
  TestServer server;
  struct stat info {};
  ASSERT_EQ(stat((server.folder() / "c.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto second =
      rpc::Server::Start(server.job_maker(), {{server.address()}, "second"});
  EXPECT_EQ(second.status().code(), Code::kUnavailable) << second.status();
  EXPECT_THAT(second.status().message(),
              ::testing::HasSubstr(server.address()));
  EXPECT_EQ(Get(server, "none").status().code(), Code::kNotFound)
      << "the first one serves on";
}

TEST(OverloadTest, AddressesThatCannotBeUsedAreNamed) {
  TestServer server;
  EXPECT_EQ(
      rpc::Server::Start(server.job_maker(), {{}, "none"}).status().code(),
      Code::kInvalidArgument);
  const auto nowhere = rpc::Server::Start(
      server.job_maker(), {{"unix:/none/of/this/c.sock"}, "nowhere"});
  EXPECT_EQ(nowhere.status().code(), Code::kUnavailable);
  EXPECT_THAT(nowhere.status().message(),
              ::testing::HasSubstr("/none/of/this"));
  const auto free =
      rpc::Server::Start(server.job_maker(), {{"127.0.0.1:0"}, "free"});
  ASSERT_TRUE(free.ok()) << free.status();
  ASSERT_EQ((*free)->addresses().size(), 1u);
  EXPECT_NE((*free)->addresses()[0], "127.0.0.1:0") << "the port is filled in";
}

}  // namespace
}  // namespace autotp::testing
