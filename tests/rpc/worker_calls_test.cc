// Goal: workers are known by what they say, assignments resume, and whoever
// speaks from the past is told so by ABORTED, in every call.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/rpc/fake_worker.h"

namespace autotp::testing {
namespace {

using ::testing::HasSubstr;
using Code = absl::StatusCode;
using Report = v1::ReportTrainerRequest;
using Workers = v1::WorkerService::Stub;

class WorkerCallsTest : public ::testing::Test {
 protected:
  absl::Status Register(const v1::RegisterWorkerRequest& request) {
    return Call(server_.workers(), &Workers::RegisterWorker, request).status();
  }
  v1::Job Get(const std::string& name) {
    v1::GetJobRequest request;
    request.set_name(name);
    const auto job =
        Call(server_.jobs(), &v1::JobService::Stub::GetJob, request);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : v1::Job();
  }
  // Lets time pass until the coordinator has seen it; false: it took too long.
  bool PassTime(absl::Duration by, const std::function<bool()>& seen) {
    server_.clock().Advance(by);
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      if (seen()) return true;
    }
    return false;
  }

  TestServer server_;
  FakeWorker worker_{server_, "w1"};
};

TEST_F(WorkerCallsTest, RegisteredWorkerIsListedWithItsSlots) {
  ASSERT_TRUE(worker_.Register(3).ok());
  ASSERT_TRUE(worker_.Heartbeat().ok());
  const auto cluster =
      Call(server_.cluster(), &v1::ClusterService::Stub::GetCluster,
           v1::GetClusterRequest());
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(cluster->version(), "test");
  EXPECT_EQ(cluster->uid(), worker_.fence().cluster_uid());
  EXPECT_EQ(cluster->coordinator_epoch(), 1);
  EXPECT_EQ(cluster->workers_ready(), 1);
  EXPECT_EQ(cluster->slots_free(), 3);
  ASSERT_TRUE(worker_.RunJob("a", 2).ok());
  const auto workers =
      Call(server_.cluster(), &v1::ClusterService::Stub::ListWorkers,
           v1::ListWorkersRequest());
  ASSERT_TRUE(workers.ok()) << workers.status();
  ASSERT_EQ(workers->workers_size(), 1);
  EXPECT_EQ(workers->workers(0).slots_free(), 1);
  EXPECT_EQ(workers->workers(0).device(), "cpu");
  EXPECT_THAT(workers->workers(0).jobs(), ::testing::ElementsAre("jobs/a"));
}

TEST_F(WorkerCallsTest, BadRegistrations) {
  const struct {
    const char* name;
    std::function<void(v1::RegisterWorkerRequest&)> spoil;
    Code code;
  } kCases[] = {
      {"no name", [](auto& r) { r.mutable_fence()->clear_worker(); },
       Code::kInvalidArgument},
      {"no incarnation",
       [](auto& r) { r.mutable_fence()->clear_incarnation(); },
       Code::kInvalidArgument},
      {"no slots", [](auto& r) { r.set_slots(0); }, Code::kInvalidArgument},
      {"too many slots", [](auto& r) { r.set_slots(1 << 20); },
       Code::kInvalidArgument},
      {"unknown device", [](auto& r) { r.set_device("tpu"); },
       Code::kInvalidArgument},
      {"another cluster",
       [](auto& r) { r.mutable_fence()->set_cluster_uid("other"); },
       Code::kFailedPrecondition},
      {"a newer coordinator",
       [](auto& r) { r.mutable_fence()->set_coordinator_epoch(9); },
       Code::kUnavailable},
  };
  for (const auto& test : kCases) {
    v1::RegisterWorkerRequest request = worker_.Registration(1);
    test.spoil(request);
    EXPECT_EQ(Register(request).code(), test.code) << test.name;
  }
}

TEST_F(WorkerCallsTest, NewProcessTakesTheNameAndTheOldOneMayNotComeBack) {
  ASSERT_TRUE(worker_.Register(1).ok());
  ASSERT_TRUE(worker_.RunJob("a", 1).ok());
  FakeWorker second(server_, "w1", "second");
  ASSERT_TRUE(second.Register(1).ok());
  EXPECT_EQ(Get("a").status().state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(worker_.Heartbeat().code(), Code::kAborted);
  EXPECT_EQ(worker_.Register(1).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(second.Heartbeat().ok());
}

TEST_F(WorkerCallsTest, AssignmentsComeAsTheyChangeAndResume) {
  ASSERT_TRUE(worker_.Register(2).ok());
  v1::WatchAssignmentRequest request;
  *request.mutable_fence() = worker_.fence();
  Stream<v1::WatchAssignmentResponse> stream(
      server_.workers(), &Workers::WatchAssignment, request);
  auto first = stream.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->assignment().tasks_size(), 0);
  ASSERT_TRUE(Call(server_.jobs(), &v1::JobService::Stub::CreateJob,
                   JobRequest(server_, "a", 2, "tp2"))
                  .ok());
  const auto second = stream.Next();
  ASSERT_TRUE(second);
  const v1::Assignment& assignment = second->assignment();
  EXPECT_GT(assignment.generation(), first->assignment().generation());
  ASSERT_EQ(assignment.tasks_size(), 2);
  EXPECT_EQ(assignment.tasks(1).rank(), 1);
  EXPECT_EQ(assignment.tasks(1).attempt(), 1);
  EXPECT_EQ(assignment.tasks(1).tensor_parallel_size(), 2);
  // A stream that was lost goes on behind what was applied, and repeats it
  // if it was not.
  const auto again = worker_.NextAssignment(first->assignment().generation());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), assignment.SerializeAsString());
  request.set_after_generation(assignment.generation());
  Stream<v1::WatchAssignmentResponse> resumed(
      server_.workers(), &Workers::WatchAssignment, request);
  ASSERT_TRUE(worker_.Report("jobs/a", 0, Report::STATE_FAILED).ok());
  const auto third = resumed.Next();
  ASSERT_TRUE(third);
  EXPECT_GT(third->assignment().generation(), assignment.generation());
  EXPECT_EQ(third->assignment().tasks_size(), 0);
}

TEST_F(WorkerCallsTest, HeartbeatTellsThatTheStreamIsBehind) {
  ASSERT_TRUE(worker_.Register(1).ok());
  v1::HeartbeatRequest request;
  *request.mutable_fence() = worker_.fence();
  const auto before = Call(server_.workers(), &Workers::Heartbeat, request);
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_TRUE(worker_.RunJob("a", 1).ok());
  const auto after = Call(server_.workers(), &Workers::Heartbeat, request);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GT(after->assignment_generation(), before->assignment_generation());
}

TEST_F(WorkerCallsTest, SilentWorkerIsLostAndItsStreamEnds) {
  ASSERT_TRUE(worker_.Register(1).ok());
  ASSERT_TRUE(worker_.RunJob("a", 1).ok());
  v1::WatchAssignmentRequest request;
  *request.mutable_fence() = worker_.fence();
  Stream<v1::WatchAssignmentResponse> stream(
      server_.workers(), &Workers::WatchAssignment, request);
  ASSERT_TRUE(stream.Next());
  ASSERT_TRUE(PassTime(absl::Seconds(11), [&] {
    return Get("a").status().state() == v1::JOB_STATE_FAILED;
  }));
  EXPECT_EQ(stream.Finish().code(), Code::kAborted);
  EXPECT_EQ(worker_.Heartbeat().code(), Code::kAborted);
  const v1::Failure failure = Get("a").status().last_failure();
  EXPECT_EQ(failure.reason(), v1::FAILURE_REASON_WORKER_LOST);
  EXPECT_EQ(failure.worker(), "w1");
  ASSERT_TRUE(worker_.Register(1).ok()) << "the same process may come back";
  EXPECT_TRUE(worker_.Heartbeat().ok());
}

TEST_F(WorkerCallsTest, WorkerThatLeavesIsForgotten) {
  ASSERT_TRUE(worker_.Register(1).ok());
  v1::DeregisterWorkerRequest request;
  *request.mutable_fence() = worker_.fence();
  ASSERT_TRUE(
      Call(server_.workers(), &Workers::DeregisterWorker, request).ok());
  EXPECT_EQ(Call(server_.workers(), &Workers::DeregisterWorker, request)
                .status()
                .code(),
            Code::kAborted);
  const auto workers =
      Call(server_.cluster(), &v1::ClusterService::Stub::ListWorkers,
           v1::ListWorkersRequest());
  ASSERT_TRUE(workers.ok()) << workers.status();
  EXPECT_EQ(workers->workers_size(), 0);
}

// Every call with a fence that is right in all parts but one.
TEST_F(WorkerCallsTest, StaleFencesAreAborted) {
  ASSERT_TRUE(worker_.Register(2).ok());
  ASSERT_TRUE(worker_.RunJob("a", 1).ok());
  FakeWorker other(server_, "w2");
  ASSERT_TRUE(other.Register(1).ok());

  const auto send = [&](auto method, auto request, const v1::Fence& fence) {
    *request.mutable_fence() = fence;
    return Call(server_.workers(), method, request).status().code();
  };
  using Send = std::function<Code(const v1::Fence&)>;
  const std::vector<std::pair<const char*, Send>> of_worker = {
      {"Heartbeat",
       [&](const v1::Fence& fence) {
         return send(&Workers::Heartbeat, v1::HeartbeatRequest(), fence);
       }},
      {"WatchAssignment",
       [&](const v1::Fence& fence) {
         v1::WatchAssignmentRequest request;
         *request.mutable_fence() = fence;
         Stream<v1::WatchAssignmentResponse> stream(
             server_.workers(), &Workers::WatchAssignment, request);
         return stream.Finish().code();
       }},
      {"DeregisterWorker",
       [&](const v1::Fence& fence) {
         return send(&Workers::DeregisterWorker, v1::DeregisterWorkerRequest(),
                     fence);
       }},
      {"UploadLogs",
       [&](const v1::Fence& fence) {
         return send(&Workers::UploadLogs, v1::UploadLogsRequest(), fence);
       }},
  };
  const std::vector<std::pair<const char*, Send>> of_attempt = {
      {"ReportProgress",
       [&](const v1::Fence& fence) {
         return send(&Workers::ReportProgress, v1::ReportProgressRequest(),
                     fence);
       }},
      {"ReportTrainer",
       [&](const v1::Fence& fence) {
         Report request;
         request.set_state(Report::STATE_FINISHED);
         return send(&Workers::ReportTrainer, request, fence);
       }},
      {"BeginCheckpoint",
       [&](const v1::Fence& fence) {
         v1::BeginCheckpointRequest request;
         request.set_step(1);
         return send(&Workers::BeginCheckpoint, request, fence);
       }},
      {"ReportPart",
       [&](const v1::Fence& fence) {
         return send(&Workers::ReportPart, v1::ReportPartRequest(), fence);
       }},
      {"CommitCheckpoint",
       [&](const v1::Fence& fence) {
         return send(&Workers::CommitCheckpoint, v1::CommitCheckpointRequest(),
                     fence);
       }},
      {"SetKey",
       [&](const v1::Fence& fence) {
         v1::SetKeyRequest request;
         request.set_key("key");
         *request.mutable_fence() = fence;
         return Call(server_.rendezvous(), &v1::RendezvousService::Stub::SetKey,
                     request)
             .status()
             .code();
       }},
      {"GetKey",
       [&](const v1::Fence& fence) {
         v1::GetKeyRequest request;
         request.set_key("key");
         request.mutable_wait()->set_seconds(5);
         *request.mutable_fence() = fence;
         return Call(server_.rendezvous(), &v1::RendezvousService::Stub::GetKey,
                     request)
             .status()
             .code();
       }},
  };
  const auto expect_aborted = [](const auto& calls, const char* part,
                                 const v1::Fence& fence) {
    for (const auto& [name, call] : calls) {
      EXPECT_EQ(call(fence), Code::kAborted) << name << " with " << part;
    }
  };

  v1::Fence fence = worker_.FenceOf("jobs/a");
  fence.set_cluster_uid("other");
  expect_aborted(of_worker, "another cluster", fence);
  expect_aborted(of_attempt, "another cluster", fence);
  fence = worker_.FenceOf("jobs/a");
  fence.set_coordinator_epoch(0);
  expect_aborted(of_worker, "an old epoch", fence);
  expect_aborted(of_attempt, "an old epoch", fence);
  fence = worker_.FenceOf("jobs/a");
  fence.set_worker("nobody");
  expect_aborted(of_worker, "an unknown worker", fence);
  expect_aborted(of_attempt, "an unknown worker", fence);
  fence = worker_.FenceOf("jobs/a");
  fence.set_incarnation("zeroth");
  expect_aborted(of_worker, "an old incarnation", fence);
  expect_aborted(of_attempt, "an old incarnation", fence);
  expect_aborted(of_attempt, "an unknown job", worker_.FenceOf("jobs/none"));
  expect_aborted(of_attempt, "a later attempt", worker_.FenceOf("jobs/a", 2));
  fence = worker_.FenceOf("jobs/a");
  fence.set_group_epoch(0);
  expect_aborted(of_attempt, "an old group epoch", fence);
  // What is a rank's own is not another worker's to say.
  for (size_t i : {0, 1, 3}) {
    EXPECT_EQ(of_attempt[i].second(other.FenceOf("jobs/a")), Code::kAborted)
        << of_attempt[i].first << " by another worker";
  }
  EXPECT_EQ(Get("a").status().state(), v1::JOB_STATE_RUNNING);
}

TEST_F(WorkerCallsTest, FenceOfTheCoordinatorBeforeIsAborted) {
  ASSERT_TRUE(worker_.Register(1).ok());
  ASSERT_TRUE(worker_.RunJob("a", 1).ok());
  server_.Stop();
  server_.Start();
  EXPECT_EQ(worker_.Heartbeat().code(), Code::kAborted);
  EXPECT_EQ(worker_.Progress("jobs/a", 1, 1).code(), Code::kAborted);
  ASSERT_TRUE(worker_.Register(1).ok());
  EXPECT_TRUE(worker_.Progress("jobs/a", 1, 1).ok()) << "it is adopted";
  EXPECT_EQ(Get("a").status().progress().step(), 1);
}

TEST_F(WorkerCallsTest, MalformedReports) {
  ASSERT_TRUE(worker_.Register(1).ok());
  ASSERT_TRUE(worker_.RunJob("a", 1).ok());
  EXPECT_EQ(worker_.Report("jobs/a", 0, Report::STATE_UNSPECIFIED).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(worker_.Report("jobs/a", 7, Report::STATE_FAILED).code(),
            Code::kAborted);
  EXPECT_EQ(worker_.UploadLog("jobs/a", 1, 0, "x").code(),
            Code::kInvalidArgument);
  EXPECT_EQ(worker_.UploadLog("jobs/a", 0, -1, "x").code(),
            Code::kInvalidArgument);
  EXPECT_EQ(worker_.UploadLog("jobs/a", 0, INT64_MAX, "x").code(),
            Code::kInvalidArgument);
  EXPECT_EQ(
      worker_.UploadLog("jobs/a", 0, 0, std::string((4 << 20) + 1, 'x')).code(),
      Code::kInvalidArgument);
  EXPECT_EQ(worker_.UploadLog("jobs/a", 0, 0, "x", /*attempt=*/2).code(),
            Code::kAborted);
  EXPECT_EQ(worker_.UploadLog("jobs/none", 0, 0, "x").code(), Code::kNotFound);
}

TEST_F(WorkerCallsTest, FailureOfARankHasItsLastLines) {
  ASSERT_TRUE(worker_.Register(1).ok());
  ASSERT_TRUE(worker_.RunJob("a", 1).ok());
  ASSERT_TRUE(
      worker_.UploadLog("jobs/a", 0, 0, "one\ntwo\nout of luck\n").ok());
  ASSERT_TRUE(worker_.Report("jobs/a", 0, Report::STATE_FAILED).ok());
  const v1::Job job = Get("a");
  EXPECT_EQ(job.status().state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(job.status().last_failure().log_lines(),
              ::testing::ElementsAre("one", "two", "out of luck"));
  EXPECT_EQ(job.status().last_failure().worker(), "w1");
  // Late or repeated reports of an attempt that is over change nothing.
  EXPECT_TRUE(worker_.Report("jobs/a", 0, Report::STATE_FAILED).ok());
  EXPECT_EQ(worker_.Progress("jobs/a", 1, 1).code(), Code::kAborted);
  EXPECT_TRUE(worker_.UploadLog("jobs/a", 0, 20, "last words\n").ok());
}

}  // namespace
}  // namespace autotp::testing
