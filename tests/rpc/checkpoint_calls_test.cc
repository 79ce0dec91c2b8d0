// Goal: a checkpoint is begun, reported part by part and committed once, by
// calls that are safe to repeat; nothing else makes one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/rpc/fake_worker.h"

namespace autotp::testing {
namespace {

using ::testing::HasSubstr;
using Code = absl::StatusCode;
using Report = v1::ReportTrainerRequest;
using Workers = v1::WorkerService::Stub;
using Checkpoints = v1::CheckpointService::Stub;

class CheckpointCallsTest : public ::testing::Test {
 protected:
  CheckpointCallsTest() {
    EXPECT_TRUE(worker_.Register(2).ok());
    EXPECT_TRUE(worker_.RunJob("a", 2, "{}", /*max_restarts=*/1).ok());
  }
  absl::StatusOr<v1::BeginCheckpointResponse> Begin(int64_t step,
                                                    int attempt = 1) {
    v1::BeginCheckpointRequest request;
    *request.mutable_fence() = worker_.FenceOf("jobs/a", attempt);
    request.set_step(step);
    return Call(server_.workers(), &Workers::BeginCheckpoint, request);
  }
  absl::StatusOr<v1::ReportPartResponse> Part(const std::string& checkpoint,
                                              int rank,
                                              const std::string& digest = "d") {
    v1::ReportPartRequest request;
    *request.mutable_fence() = worker_.FenceOf("jobs/a");
    request.set_checkpoint(checkpoint);
    request.set_rank(rank);
    request.mutable_part()->set_path(absl::StrCat("rank-", rank));
    request.mutable_part()->set_size_bytes(10);
    request.mutable_part()->set_digest(digest);
    return Call(server_.workers(), &Workers::ReportPart, request);
  }
  absl::Status Commit(const std::string& checkpoint,
                      const std::string& digest = "manifest") {
    v1::CommitCheckpointRequest request;
    *request.mutable_fence() = worker_.FenceOf("jobs/a");
    request.set_checkpoint(checkpoint);
    request.set_manifest_digest(digest);
    request.set_size_bytes(20);
    return Call(server_.workers(), &Workers::CommitCheckpoint, request)
        .status();
  }
  absl::StatusOr<v1::ListCheckpointsResponse> List(const std::string& job) {
    v1::ListCheckpointsRequest request;
    request.set_job(job);
    return Call(server_.checkpoints(), &Checkpoints::ListCheckpoints, request);
  }
  absl::Status Trigger(const std::string& job) {
    v1::TriggerCheckpointRequest request;
    request.set_job(job);
    return Call(server_.checkpoints(), &Checkpoints::TriggerCheckpoint, request)
        .status();
  }

  TestServer server_;
  FakeWorker worker_{server_, "w1"};
};

TEST_F(CheckpointCallsTest, IsCommittedOnceAllPartsAreReported) {
  const auto begun = Begin(5);
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_EQ(begun->checkpoint(), "jobs/a/checkpoints/5");
  EXPECT_THAT(begun->path(), HasSubstr("/out/checkpoints/step-00000005-a1-g1"));
  const auto again = Begin(5);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->path(), begun->path());

  const auto first = Part(begun->checkpoint(), 1);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->complete());
  EXPECT_EQ(Commit(begun->checkpoint()).code(), Code::kFailedPrecondition);
  const auto second = Part(begun->checkpoint(), 0);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->complete());
  ASSERT_EQ(second->parts_size(), 2);
  EXPECT_EQ(second->parts(0).path(), "rank-0");
  const auto repeated = Part(begun->checkpoint(), 1);
  ASSERT_TRUE(repeated.ok()) << repeated.status();
  EXPECT_EQ(repeated->parts_size(), 2) << "every rank gets them";

  EXPECT_EQ(List("a")->checkpoints(0).state(), v1::Checkpoint::STATE_WRITING);
  ASSERT_TRUE(Commit(begun->checkpoint()).ok());
  EXPECT_TRUE(Commit(begun->checkpoint()).ok()) << "safe to repeat";
  EXPECT_EQ(Commit(begun->checkpoint(), "other").code(),
            Code::kFailedPrecondition);
  const auto list = List("a");
  ASSERT_EQ(list->checkpoints_size(), 1);
  EXPECT_EQ(list->checkpoints(0).state(), v1::Checkpoint::STATE_COMMITTED);
  EXPECT_EQ(list->checkpoints(0).size_bytes(), 20);
}

TEST_F(CheckpointCallsTest, CommittedOutlivesTheCoordinator) {
  const std::string name = Begin(5)->checkpoint();
  for (int rank : {0, 1}) ASSERT_TRUE(Part(name, rank).ok());
  ASSERT_TRUE(Commit(name).ok());
  server_.Stop();
  server_.Start();
  const auto list = List("a");
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->checkpoints_size(), 1);
  EXPECT_EQ(list->checkpoints(0).state(), v1::Checkpoint::STATE_COMMITTED);
  ASSERT_TRUE(worker_.Register(2).ok());
  EXPECT_EQ(Begin(5)->checkpoint(), name) << "as before the restart";
  EXPECT_EQ(Begin(4).status().code(), Code::kFailedPrecondition);
}

TEST_F(CheckpointCallsTest, WhatAnAttemptLeftUnfinishedIsNeverCommitted) {
  const std::string name = Begin(5)->checkpoint();
  ASSERT_TRUE(Part(name, 0).ok());
  ASSERT_TRUE(worker_.Report("jobs/a", 1, Report::STATE_FAILED).ok());
  EXPECT_EQ(Part(name, 1).status().code(), Code::kAborted);
  EXPECT_EQ(Commit(name).code(), Code::kAborted);
  EXPECT_EQ(List("a")->checkpoints_size(), 0);
  const auto begun = Begin(5, /*attempt=*/2);
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_THAT(begun->path(), HasSubstr("-a2-g2"));
}

TEST_F(CheckpointCallsTest, BadRequests) {
  EXPECT_EQ(Begin(0).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Begin(1'000'001).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Part("jobs/a/checkpoints/9", 0).status().code(), Code::kNotFound);
  EXPECT_EQ(Commit("jobs/a/checkpoints/9").code(), Code::kNotFound);
  const std::string name = Begin(5)->checkpoint();
  EXPECT_EQ(Part(name, 2).status().code(), Code::kAborted) << "no such rank";
  ASSERT_TRUE(Part(name, 0).ok());
  EXPECT_EQ(Part(name, 0, "other").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(List("none").status().code(), Code::kNotFound);
}

TEST_F(CheckpointCallsTest, CheckpointOnDemandReachesTheWorker) {
  ASSERT_TRUE(Trigger("a").ok());
  const auto first = worker_.NextAssignment(0);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->orders_size(), 1);
  EXPECT_EQ(first->orders(0).checkpoint_request(), 1);
  ASSERT_TRUE(Trigger("jobs/a").ok());
  const auto second = worker_.NextAssignment(first->generation());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->orders(0).checkpoint_request(), 2);

  EXPECT_EQ(Trigger("none").code(), Code::kNotFound);
  ASSERT_TRUE(Call(server_.jobs(), &v1::JobService::Stub::CreateJob,
                   JobRequest(server_, "waits", 2))
                  .ok());
  EXPECT_EQ(Trigger("waits").code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace autotp::testing
