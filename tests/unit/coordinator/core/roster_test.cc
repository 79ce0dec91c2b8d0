// Goal: workers come, fall silent, come back, and are replaced; what they held
// follows.
#include "coordinator/core/roster.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using testing::HasSubstr;
using Report = Cluster::Report;

v1::RegisterWorkerRequest Request(const std::string& worker) {
  v1::RegisterWorkerRequest request;
  request.mutable_fence()->set_worker(worker);
  request.mutable_fence()->set_incarnation("i1");
  request.set_device("cpu");
  request.set_slots(1);
  return request;
}

TEST(RosterTest, AnswersWithTheFenceToUse) {
  Cluster cluster;
  const auto answer = cluster.Register("w1", 2);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->fence().ShortDebugString(),
            cluster.FenceOf("w1").ShortDebugString());
  EXPECT_EQ(answer->lease().seconds(), 10);
  EXPECT_EQ(answer->heartbeat_interval().seconds(), 1);
}

TEST(RosterTest, RefusesWhatCannotBeUsed) {
  Cluster cluster;
  const auto code = [&](auto change) {
    v1::RegisterWorkerRequest request = Request("w1");
    change(request);
    return cluster.Apply(request).status().code();
  };
  using Code = absl::StatusCode;
  EXPECT_EQ(code([](auto& r) { r.mutable_fence()->clear_worker(); }),
            Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& r) { r.mutable_fence()->clear_incarnation(); }),
            Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& r) { r.set_device("tpu"); }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& r) { r.set_slots(0); }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& r) { r.set_slots(1025); }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& r) { r.mutable_fence()->set_cluster_uid("other"); }),
            Code::kFailedPrecondition);
  EXPECT_EQ(code([](auto& r) { r.mutable_fence()->set_coordinator_epoch(9); }),
            Code::kUnavailable);
  EXPECT_TRUE(cluster.core->state().workers.empty());
}

TEST(RosterTest, MakesRoomByForgettingTheLost) {
  Policy policy;
  policy.workers_max = 2;
  Cluster cluster(policy);
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  ASSERT_TRUE(cluster.Register("w2", 1).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(cluster.Register("w3", 1).status()));
  EXPECT_TRUE(cluster.Register("w2", 1).ok());
  cluster.silent.insert("w1");
  cluster.Pass(policy.lease + absl::Seconds(1));
  EXPECT_TRUE(cluster.Register("w3", 1).ok());
  EXPECT_FALSE(cluster.core->state().workers.contains("w1"));
}

TEST(RosterTest, SilenceEndsALeaseAndWhatItHeld) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  ASSERT_TRUE(cluster.Submit("a").ok());
  cluster.silent.insert("w1");
  cluster.Pass(cluster.policy.lease);
  EXPECT_EQ(cluster.state("a"), v1::JOB_STATE_STARTING);
  cluster.Pass(absl::Seconds(1));
  EXPECT_EQ(cluster.state("a"), v1::JOB_STATE_FAILED);
  EXPECT_THAT(cluster.reason("a"), HasSubstr("worker w1 was silent for 11s"));
  // The same process comes back: it is welcome, and holds nothing.
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  const auto assignment =
      cluster.core->AssignmentAfter(cluster.FenceOf("w1"), 0);
  ASSERT_TRUE(assignment.ok());
  EXPECT_EQ((*assignment)->tasks_size(), 0);
}

TEST(RosterTest, ASilentWorkerGetsNothingNew) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  cluster.silent.insert("w1");
  cluster.Pass(cluster.policy.suspect_after + absl::Seconds(1));
  EXPECT_EQ(cluster.core->ListWorkers(cluster.now).workers(0).state(),
            v1::Worker::STATE_SUSPECT);
  ASSERT_TRUE(cluster.Submit("a").ok());
  EXPECT_EQ(cluster.state("a"), v1::JOB_STATE_QUEUED);
  cluster.silent.clear();
  cluster.Pass(absl::Seconds(1));
  EXPECT_EQ(cluster.state("a"), v1::JOB_STATE_STARTING);
}

TEST(RosterTest, ANewProcessTakesTheNameOver) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  ASSERT_TRUE(cluster.Submit("a", {.max_restarts = 1}).ok());
  const v1::Fence old = cluster.FenceOf("w1");
  ASSERT_TRUE(cluster.Register("w1", 1, "i2").ok());
  EXPECT_EQ(cluster.job("a").status().attempt(), 2);
  EXPECT_THAT(cluster.job("a").status().last_failure().message(),
              HasSubstr("was restarted"));
  v1::HeartbeatRequest heartbeat;
  *heartbeat.mutable_fence() = old;
  EXPECT_TRUE(absl::IsAborted(cluster.Apply(heartbeat).status()));
  // And the old one may not come back.
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster.Register("w1", 1).status()));
}

TEST(RosterTest, RegisteringAgainDisturbsNothing) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  ASSERT_TRUE(cluster.Submit("a").ok());
  cluster.SayAll("a", Report::STATE_READY);
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  EXPECT_EQ(cluster.state("a"), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(cluster.job("a").status().attempt(), 1);
}

TEST(RosterTest, LeavingIsLosingAtOnce) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  ASSERT_TRUE(cluster.Register("w2", 1).ok());
  ASSERT_TRUE(cluster.Submit("a", {.max_restarts = 1}).ok());
  const std::string first = cluster.job("a").record.ranks(0).worker();
  v1::DeregisterWorkerRequest request;
  *request.mutable_fence() = cluster.FenceOf(first);
  ASSERT_TRUE(cluster.Apply(request).ok());
  EXPECT_EQ(cluster.job("a").status().attempt(), 2);
  EXPECT_NE(cluster.job("a").record.ranks(0).worker(), first);
  EXPECT_EQ(cluster.core->ListWorkers(cluster.now).workers_size(), 1);
}

TEST(RosterTest, AWorkerWhoseRanksAreDoneMayGo) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  ASSERT_TRUE(cluster.Register("w2", 1).ok());
  ASSERT_TRUE(cluster.Submit("a", {.world_size = 2}).ok());
  cluster.SayAll("a", Report::STATE_READY);
  ASSERT_TRUE(cluster.Say("a", 0, Report::STATE_FINISHED).ok());
  cluster.silent.insert(cluster.job("a").record.ranks(0).worker());
  cluster.Pass(cluster.policy.lease + absl::Seconds(1));
  EXPECT_EQ(cluster.state("a"), v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(cluster.Say("a", 1, Report::STATE_FINISHED).ok());
  EXPECT_EQ(cluster.state("a"), v1::JOB_STATE_SUCCEEDED);
}

TEST(RosterTest, ShowsWhatIsFree) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Register("w1", 4).ok());
  ASSERT_TRUE(cluster.Submit("a", {.world_size = 3}).ok());
  const v1::Cluster shown = cluster.core->ShowCluster(cluster.now);
  EXPECT_EQ(shown.workers_ready(), 1);
  EXPECT_EQ(shown.slots_total(), 4);
  EXPECT_EQ(shown.slots_free(), 1);
  const v1::Worker worker = cluster.core->ListWorkers(cluster.now).workers(0);
  ASSERT_EQ(worker.jobs_size(), 1);
  EXPECT_EQ(worker.jobs(0), "jobs/a");
}

}  // namespace
}  // namespace autotp::core
