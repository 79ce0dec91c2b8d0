// Goal: one request makes one job, said once or often; ids and numbers of jobs
// are within bounds; lists come in pages.
#include <string>

#include "coordinator/core/core.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(RequestsTest, TheSameRequestMakesOneJob) {
  Cluster cluster;
  const auto first = cluster.Submit("a", {.request_id = "r"});
  ASSERT_TRUE(first.ok());
  Submission again = Cluster::MakeJob("a", {.request_id = "r"});
  again.uid = "ffffffffff";
  const auto second = cluster.Apply(again);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->uid(), first->uid());
  EXPECT_THAT(cluster.effects.writes, IsEmpty());
  EXPECT_THAT(cluster.core->state().jobs, SizeIs(1));
}

TEST(RequestsTest, IsKnownAfterARestart) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Submit("a", {.request_id = "r"}).ok());
  ASSERT_TRUE(cluster.Restart().ok());
  ASSERT_TRUE(cluster.Submit("a", {.request_id = "r"}).ok());
  EXPECT_THAT(cluster.core->state().jobs, SizeIs(1));
}

TEST(RequestsTest, AnotherBodyIsRefused) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Submit("a", {.request_id = "r"}).ok());
  EXPECT_TRUE(
      absl::IsAlreadyExists(cluster.Submit("b", {.request_id = "r"}).status()));
  EXPECT_THAT(cluster.core->state().jobs, SizeIs(1));
}

TEST(RequestsTest, WithoutAnIdEachIsAJob) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Submit("a").ok());
  ASSERT_TRUE(cluster.Submit("b").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(cluster.Submit("a").status()));
  EXPECT_THAT(cluster.core->state().jobs, SizeIs(2));
}

TEST(RequestsTest, AJobIdIsAName) {
  Cluster cluster;
  EXPECT_TRUE(cluster.Submit(std::string(63, 'a')).ok());
  EXPECT_TRUE(cluster.Submit("a-1").ok());
  for (const std::string& id :
       {std::string(64, 'a'), std::string("A"), std::string("a/b"),
        std::string("a b"), std::string("\xc3\xa4")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(cluster.Submit(id).status())) << id;
  }
  EXPECT_THAT(cluster.core->state().jobs, SizeIs(2));
}

TEST(RequestsTest, AnIdIsMadeFromTheModelIfNoneIsGiven) {
  Cluster cluster;
  const auto job = cluster.Submit("");
  ASSERT_TRUE(job.ok());
  EXPECT_EQ(job->name(), "jobs/tiny-llama-012345");
}

TEST(RequestsTest, ThereIsAnEndToTheNumberOfJobs) {
  Policy policy;
  policy.jobs_max = 2;
  Cluster cluster(policy);
  ASSERT_TRUE(cluster.Submit("a", {.request_id = "r"}).ok());
  ASSERT_TRUE(cluster.Submit("b").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(cluster.Submit("c").status()));
  // One that is here already is no further job.
  EXPECT_TRUE(cluster.Submit("a", {.request_id = "r"}).ok());
}

TEST(RequestsTest, JobsAreFoundByEitherName) {
  Cluster cluster;
  ASSERT_TRUE(cluster.Submit("a").ok());
  EXPECT_TRUE(cluster.core->FindJob("a").ok());
  EXPECT_TRUE(cluster.core->FindJob("jobs/a").ok());
  EXPECT_TRUE(absl::IsNotFound(cluster.core->FindJob("b").status()));
}

TEST(RequestsTest, JobsAreListedInPages) {
  Cluster cluster;
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(cluster.Submit(id).ok());
  v1::ListJobsRequest request;
  request.set_page_size(2);
  v1::ListJobsResponse page = cluster.core->ListJobs(request);
  ASSERT_EQ(page.jobs_size(), 2);
  EXPECT_EQ(page.jobs(1).name(), "jobs/b");
  request.set_page_token(page.next_page_token());
  page = cluster.core->ListJobs(request);
  ASSERT_EQ(page.jobs_size(), 1);
  EXPECT_EQ(page.jobs(0).name(), "jobs/c");
  EXPECT_EQ(page.next_page_token(), "");
}

TEST(EventsTest, TheNewestAreKeptHereAndInTheStore) {
  Policy policy;
  policy.events_max = 4;
  Cluster cluster(policy);
  ASSERT_TRUE(cluster.Register("w1", 1).ok());
  ASSERT_TRUE(cluster.Submit("a", {.max_restarts = 5}).ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(cluster.Fail("a", 0, v1::FAILURE_REASON_INTERNAL).ok());
  }
  v1::ListJobEventsRequest request;
  request.set_name("a");
  for (const bool restarted : {false, true}) {
    if (restarted) {
      ASSERT_TRUE(cluster.Restart().ok());
    }
    auto list = cluster.core->ListEvents(request);
    ASSERT_TRUE(list.ok());
    ASSERT_EQ(list->events_size(), 4);
    EXPECT_EQ(list->events(3).sequence(), cluster.job("a").record.last_event());
    EXPECT_EQ(list->events(0).sequence() + 3, list->events(3).sequence());
  }
  request.set_after_sequence(cluster.job("a").record.last_event() - 1);
  EXPECT_EQ(cluster.core->ListEvents(request)->events_size(), 1);
}

}  // namespace
}  // namespace autotp::core
