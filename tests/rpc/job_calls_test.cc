// Goal: jobs are created once, shown as they are, and every bad request gets
// its own status code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/rpc/fake_worker.h"

namespace autotp::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Code = absl::StatusCode;
using Jobs = v1::JobService::Stub;

class JobCallsTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::Job> Create(const v1::CreateJobRequest& request) {
    return Call(server_.jobs(), &Jobs::CreateJob, request);
  }
  absl::StatusOr<v1::Job> Get(const std::string& name) {
    v1::GetJobRequest request;
    request.set_name(name);
    return Call(server_.jobs(), &Jobs::GetJob, request);
  }
  absl::StatusOr<v1::Job> Cancel(const std::string& name,
                                 v1::CancelJobRequest::Mode mode =
                                     v1::CancelJobRequest::MODE_UNSPECIFIED) {
    v1::CancelJobRequest request;
    request.set_name(name);
    request.set_mode(mode);
    return Call(server_.jobs(), &Jobs::CancelJob, request);
  }

  TestServer server_;
};

TEST_F(JobCallsTest, ValidJobIsPlannedAndNotStored) {
  v1::ValidateJobRequest request;
  *request.mutable_spec() = JobRequest(server_, "", 4, "tp2").spec();
  const auto answer = Call(server_.jobs(), &Jobs::ValidateJob, request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(answer->valid());
  EXPECT_EQ(answer->plan().tensor_parallel_size(), 2);
  EXPECT_EQ(answer->plan().data_parallel_size(), 2);
  EXPECT_EQ(answer->config().train_batch_size(), 8);
  EXPECT_EQ(answer->effective_config_json(), "{}");
  EXPECT_TRUE(server_.planner().checked_run_settings());
  server_.OnEngine([&](const engine::View& view) {
    EXPECT_TRUE(view.core.state().jobs.empty());
  });
}

TEST_F(JobCallsTest, DryRunWithoutDataChecksNoRunSettings) {
  v1::ValidateJobRequest request;
  *request.mutable_spec() = JobRequest(server_, "", 1).spec();
  request.mutable_spec()->clear_data();
  ASSERT_TRUE(Call(server_.jobs(), &Jobs::ValidateJob, request).ok());
  EXPECT_FALSE(server_.planner().checked_run_settings());
}

TEST_F(JobCallsTest, InvalidJobIsDataForTheDryRunAndAnErrorForTheJob) {
  v1::ValidateJobRequest request;
  *request.mutable_spec() = JobRequest(server_, "", 1, "invalid").spec();
  const auto answer = Call(server_.jobs(), &Jobs::ValidateJob, request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_FALSE(answer->valid());
  EXPECT_EQ(answer->diagnostics_size(), 3);

  const auto created = Create(JobRequest(server_, "a", 1, "invalid"));
  EXPECT_EQ(created.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(created.status().message(),
              AllOf(HasSubstr("ds.json:3:5: /optimizer: first error"),
                    HasSubstr("second error"), Not(HasSubstr("a note"))));
  EXPECT_EQ(Get("a").status().code(), Code::kNotFound);
}

TEST_F(JobCallsTest, CreatedJobIsDurableAndShownWithItsPlan) {
  const auto created = Create(JobRequest(server_, "a", 2, "tp2"));
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->name(), "jobs/a");
  EXPECT_FALSE(created->uid().empty());
  EXPECT_EQ(created->status().state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(created->status().plan().classes_size(), 1);
  for (const char* name : {"a", "jobs/a"}) {
    const auto shown = Get(name);
    ASSERT_TRUE(shown.ok()) << shown.status();
    EXPECT_EQ(shown->SerializeAsString(), created->SerializeAsString());
  }
  server_.Stop();
  server_.Start();
  const auto after = Get("a");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->uid(), created->uid());
}

TEST_F(JobCallsTest, JobWithoutANameGetsOneOfItsModel) {
  const auto created = Create(JobRequest(server_, "", 1));
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_THAT(created->name(), ::testing::StartsWith("jobs/tiny-"));
}

TEST_F(JobCallsTest, SameRequestYieldsTheSameJobAlsoAfterARestart) {
  v1::CreateJobRequest request = JobRequest(server_, "", 1);
  request.set_request_id("r1");
  const auto first = Create(request);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = Create(request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->name(), first->name());
  server_.Stop();
  server_.Start();
  const auto after = Create(request);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->name(), first->name());
  EXPECT_EQ(server_.planner().calls(), 1) << "planned again for nothing";

  request.mutable_spec()->set_max_restarts(3);
  EXPECT_EQ(Create(request).status().code(), Code::kAlreadyExists);
}

// All of them are being planned when the first is stored.
TEST_F(JobCallsTest, ConcurrentRequestsOfOneIdMakeOneJob) {
  constexpr int kCallers = 8;
  TestServer server({.pool_threads = kCallers});
  v1::CreateJobRequest request = JobRequest(server, "", 1);
  request.set_request_id("r1");
  server.planner().Hold();
  std::vector<std::string> names(kCallers);
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      const auto job = Call(server.jobs(), &Jobs::CreateJob, request);
      names[i] = job.ok() ? job->name() : job.status().ToString();
    });
  }
  EXPECT_TRUE(server.planner().WaitForCalls(kCallers));
  server.planner().Release();
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(names, ::testing::Each(names[0]));
  server.OnEngine([](const engine::View& view) {
    EXPECT_EQ(view.core.state().jobs.size(), 1u);
  });
}

TEST_F(JobCallsTest, BadRequestsToCreate) {
  ASSERT_TRUE(Create(JobRequest(server_, "taken", 1)).ok());
  const auto code = [&](const v1::CreateJobRequest& request) {
    return Create(request).status().code();
  };
  EXPECT_EQ(code(JobRequest(server_, "taken", 1)), Code::kAlreadyExists);
  EXPECT_EQ(code(JobRequest(server_, "No Name", 1)), Code::kInvalidArgument);
  EXPECT_EQ(code(JobRequest(server_, std::string(64, 'a'), 1)),
            Code::kInvalidArgument);
  v1::CreateJobRequest request = JobRequest(server_, "", 1);
  request.set_request_id(std::string(257, 'r'));
  EXPECT_EQ(code(request), Code::kInvalidArgument);
  EXPECT_EQ(code(JobRequest(server_, "", 1, std::string(5 << 20, ' '))),
            Code::kInvalidArgument);
  // Beyond what the server reads at all.
  EXPECT_EQ(code(JobRequest(server_, "", 1, std::string(17 << 20, ' '))),
            Code::kResourceExhausted);
}

TEST_F(JobCallsTest, TooManyJobsAreRefused) {
  TestServer server({.jobs_max = 2});
  for (const char* id : {"a", "b"}) {
    ASSERT_TRUE(
        Call(server.jobs(), &Jobs::CreateJob, JobRequest(server, id, 1)).ok());
  }
  EXPECT_EQ(Call(server.jobs(), &Jobs::CreateJob, JobRequest(server, "c", 1))
                .status()
                .code(),
            Code::kResourceExhausted);
}

TEST_F(JobCallsTest, UnknownJobsAreNotFound) {
  EXPECT_EQ(Get("none").status().code(), Code::kNotFound);
  EXPECT_EQ(Get("").status().code(), Code::kNotFound);
  EXPECT_EQ(Cancel("none").status().code(), Code::kNotFound);
  v1::ListJobEventsRequest events;
  events.set_name("none");
  EXPECT_EQ(Call(server_.jobs(), &Jobs::ListJobEvents, events).status().code(),
            Code::kNotFound);
}

TEST_F(JobCallsTest, ListGoesPageByPageWithoutPlans) {
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_TRUE(Create(JobRequest(server_, id, 1)).ok());
  }
  v1::ListJobsRequest request;
  request.set_page_size(2);
  const auto first = Call(server_.jobs(), &Jobs::ListJobs, request);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->jobs_size(), 2);
  EXPECT_EQ(first->jobs(0).name(), "jobs/a");
  EXPECT_EQ(first->jobs(0).status().plan().classes_size(), 0);
  EXPECT_EQ(first->jobs(0).status().plan().digest(), "digest");
  request.set_page_token(first->next_page_token());
  const auto second = Call(server_.jobs(), &Jobs::ListJobs, request);
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->jobs_size(), 1);
  EXPECT_EQ(second->jobs(0).name(), "jobs/c");
  EXPECT_EQ(second->next_page_token(), "");
}

TEST_F(JobCallsTest, NegativeSizesAndCursorsAreMalformed) {
  v1::ListJobsRequest list;
  list.set_page_size(-1);
  EXPECT_EQ(Call(server_.jobs(), &Jobs::ListJobs, list).status().code(),
            Code::kInvalidArgument);
  v1::ListJobEventsRequest events;
  events.set_after_sequence(-1);
  EXPECT_EQ(Call(server_.jobs(), &Jobs::ListJobEvents, events).status().code(),
            Code::kInvalidArgument);
}

TEST_F(JobCallsTest, EventsGoOnAfterASequence) {
  ASSERT_TRUE(Create(JobRequest(server_, "a", 1)).ok());
  ASSERT_TRUE(Cancel("a").ok());
  v1::ListJobEventsRequest request;
  request.set_name("a");
  const auto all = Call(server_.jobs(), &Jobs::ListJobEvents, request);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->events_size(), 2);
  EXPECT_THAT(all->events(1).message(), HasSubstr("QUEUED -> CANCELLED"));
  request.set_after_sequence(all->events(0).sequence());
  const auto rest = Call(server_.jobs(), &Jobs::ListJobEvents, request);
  ASSERT_TRUE(rest.ok()) << rest.status();
  ASSERT_EQ(rest->events_size(), 1);
  EXPECT_EQ(rest->events(0).sequence(), all->events(1).sequence());
}

TEST_F(JobCallsTest, CancelIsIdempotentAndOrdersARunningJobToStop) {
  ASSERT_TRUE(Create(JobRequest(server_, "waiting", 1)).ok());
  for (int i = 0; i < 2; ++i) {
    const auto job = Cancel("waiting");
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(job->status().state(), v1::JOB_STATE_CANCELLED);
  }
  FakeWorker worker(server_, "w1");
  ASSERT_TRUE(worker.Register(1).ok());
  ASSERT_TRUE(worker.RunJob("running", 1).ok());
  for (int i = 0; i < 2; ++i) {
    const auto job = Cancel("running");
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(job->status().state(), v1::JOB_STATE_CANCELLING);
  }
  auto assignment = worker.NextAssignment(0);
  ASSERT_TRUE(assignment.ok()) << assignment.status();
  ASSERT_EQ(assignment->orders_size(), 1);
  EXPECT_TRUE(assignment->orders(0).stop_after_step());
  EXPECT_FALSE(assignment->orders(0).stop_now());
  ASSERT_TRUE(Cancel("running", v1::CancelJobRequest::MODE_IMMEDIATE).ok());
  assignment = worker.NextAssignment(assignment->generation());
  ASSERT_TRUE(assignment.ok()) << assignment.status();
  EXPECT_TRUE(assignment->orders(0).stop_now());
  ASSERT_TRUE(
      worker.Report("jobs/running", 0, v1::ReportTrainerRequest::STATE_STOPPED)
          .ok());
  EXPECT_EQ(Get("running")->status().state(), v1::JOB_STATE_CANCELLED);
}

}  // namespace
}  // namespace autotp::testing
