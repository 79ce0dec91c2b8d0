// Goal: who speaks from any other era than the present one is told so, and
// changes nothing.
#include "coordinator/core/fence.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

struct Case {
  std::string name;
  std::function<void(v1::Fence&)> change;
  std::string reason;
};

std::vector<Case> StaleProcesses() {
  return {
      {"Cluster", [](v1::Fence& f) { f.set_cluster_uid("c0"); },
       "WRONG_CLUSTER"},
      {"OlderEpoch", [](v1::Fence& f) { f.set_coordinator_epoch(0); },
       "STALE_EPOCH"},
      {"NewerEpoch", [](v1::Fence& f) { f.set_coordinator_epoch(2); },
       "STALE_EPOCH"},
      {"UnknownWorker", [](v1::Fence& f) { f.set_worker("w9"); },
       "WORKER_FENCED"},
      {"Incarnation", [](v1::Fence& f) { f.set_incarnation("i0"); },
       "WORKER_FENCED"},
  };
}

std::vector<Case> StaleAttempts() {
  return {
      {"UnknownJob", [](v1::Fence& f) { f.set_job("jobs/none"); },
       "STALE_ATTEMPT"},
      {"NoJob", [](v1::Fence& f) { f.clear_job(); }, "STALE_ATTEMPT"},
      {"OlderAttempt", [](v1::Fence& f) { f.set_attempt(0); }, "STALE_ATTEMPT"},
      {"NewerAttempt", [](v1::Fence& f) { f.set_attempt(2); }, "STALE_ATTEMPT"},
      {"OlderGroups", [](v1::Fence& f) { f.set_group_epoch(0); },
       "STALE_ATTEMPT"},
      {"NewerGroups", [](v1::Fence& f) { f.set_group_epoch(2); },
       "STALE_ATTEMPT"},
  };
}

class FenceTest : public testing::TestWithParam<Case> {
 protected:
  FenceTest() {
    EXPECT_TRUE(cluster_.Register("w1", 2).ok());
    EXPECT_TRUE(cluster_.Submit("a", {.world_size = 2}).ok());
    cluster_.SayAll("a", Cluster::Report::STATE_READY);
    EXPECT_TRUE(cluster_.Begin("a", 1).ok());
  }
  v1::Fence Stale() {
    v1::Fence fence = cluster_.FenceOf("w1", "a");
    GetParam().change(fence);
    return fence;
  }
  template <typename Request>
  void ExpectFenced(Request request) {
    *request.mutable_fence() = Stale();
    const absl::Status status = cluster_.Apply(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().reason));
    EXPECT_THAT(cluster_.effects.writes, IsEmpty());
    EXPECT_THAT(cluster_.effects.keys, IsEmpty());
    EXPECT_THAT(cluster_.effects.workers, IsEmpty());
  }

  Cluster cluster_;
};

class StaleProcessTest : public FenceTest {};
class StaleAttemptTest : public FenceTest {};

TEST_P(StaleProcessTest, MayNotEvenBeat) {
  ExpectFenced(v1::HeartbeatRequest());
  ExpectFenced(v1::DeregisterWorkerRequest());
  EXPECT_TRUE(
      absl::IsAborted(cluster_.core->AssignmentAfter(Stale(), 0).status()));
}

TEST_P(StaleAttemptTest, MayNotSpeakOfTheJob) {
  ExpectFenced(v1::ReportProgressRequest());
  v1::ReportTrainerRequest report;
  report.set_state(v1::ReportTrainerRequest::STATE_FINISHED);
  ExpectFenced(report);
  v1::BeginCheckpointRequest begin;
  begin.set_step(2);
  ExpectFenced(begin);
  v1::ReportPartRequest part;
  part.set_checkpoint("jobs/a/checkpoints/1");
  ExpectFenced(part);
  v1::CommitCheckpointRequest commit;
  commit.set_checkpoint("jobs/a/checkpoints/1");
  ExpectFenced(commit);
  v1::SetKeyRequest key;
  key.set_key("k");
  ExpectFenced(key);
  v1::GetKeyRequest get;
  *get.mutable_fence() = Stale();
  EXPECT_TRUE(absl::IsAborted(cluster_.core->FindKey(get).status()));
}

INSTANTIATE_TEST_SUITE_P(Table, StaleProcessTest,
                         testing::ValuesIn(StaleProcesses()),
                         [](const auto& test) { return test.param.name; });

// A stale process is stale in whatever it says of a job, too.
INSTANTIATE_TEST_SUITE_P(Process, StaleAttemptTest,
                         testing::ValuesIn(StaleProcesses()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Attempt, StaleAttemptTest,
                         testing::ValuesIn(StaleAttempts()),
                         [](const auto& test) { return test.param.name; });

TEST(RankFenceTest, ARankIsSpokenForByItsOwnWorkerOnly) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  ASSERT_TRUE(cluster.Register("w2", 1).ok());
  ASSERT_TRUE(cluster.Submit("a", {.world_size = 2}).ok());
  const std::string first = cluster.job("a").record.ranks(0).worker();
  for (const int rank : {-1, 1, 2}) {
    v1::ReportTrainerRequest report;
    *report.mutable_fence() = cluster.FenceOf(first, "a");
    report.set_rank(rank);
    report.set_state(v1::ReportTrainerRequest::STATE_READY);
    EXPECT_TRUE(absl::IsAborted(cluster.Apply(report).status())) << rank;
  }
}

TEST(LateReportTest, OfAnAttemptThatIsOverIsTakenAndChangesNothing) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  ASSERT_TRUE(cluster.Submit("a").ok());
  v1::ReportTrainerRequest report;
  *report.mutable_fence() = cluster.FenceOf("w1", "a");
  report.set_state(v1::ReportTrainerRequest::STATE_FINISHED);
  ASSERT_TRUE(cluster.Apply(report).ok());
  ASSERT_EQ(cluster.state("a"), v1::JOB_STATE_SUCCEEDED);
  report.set_state(v1::ReportTrainerRequest::STATE_FAILED);
  EXPECT_TRUE(cluster.Apply(report).ok());
  EXPECT_THAT(cluster.effects.writes, IsEmpty());
  EXPECT_EQ(cluster.state("a"), v1::JOB_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace autotp::core
