// Goal: a worker does what its assignment says, reports everything in order,
// names the cause of a failure, and survives its coordinator and its zygote.
// Method: a real agent with real forked trainers (fake_trainer.cc: the job's
// name says what they do) against a coordinator in this process, over a unix
// socket. Every wait has a deadline.
#include "worker/agent/agent.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/worker/agent/fake_coordinator.h"

namespace autotp::agent {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using Report = v1::ReportTrainerRequest;
using Seen = FakeCoordinator::Seen;

// A segment with one number in it; aborting sets it.
absl::StatusOr<int> CreateMemory(int) {
  const int memory = memfd_create("test", MFD_CLOEXEC);
  if (ftruncate(memory, sizeof(std::atomic<int>)) != 0) {
    return absl::InternalError("ftruncate");
  }
  return memory;
}

void AbortMemory(int descriptor) {
  void* memory = mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                      MAP_SHARED, descriptor, 0);
  static_cast<std::atomic<int>*>(memory)->store(1);
  munmap(memory, sizeof(std::atomic<int>));
}

// Processes whose parent is `parent`.
std::vector<pid_t> Children(pid_t parent) {
  std::ifstream file(
      absl::StrCat("/proc/", parent, "/task/", parent, "/children"));
  return {std::istream_iterator<pid_t>(file), {}};
}

class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    options_.coordinator = coordinator_.address();
    options_.slots = 2;
    options_.name = "w1";
    options_.trainer_binary = AUTOTP_FAKE_TRAINER;
    EXPECT_TRUE(Resolve(&options_).ok());
    agent_.emplace(options_, AgentDeps{&CreateMemory, &AbortMemory});
    thread_ = std::thread([this] { result_ = agent_->Run(); });
  }
  ~AgentTest() override { StopAgent(); }

  void StopAgent() {
    if (!thread_.joinable()) return;
    agent_->Stop();
    thread_.join();
  }

  v1::Assignment Tasks(const std::string& job, int world_size,
                       int attempt = 1) {
    v1::Assignment assignment;
    for (int rank = 0; rank < world_size; ++rank) {
      v1::TrainerTask& task = *assignment.add_tasks();
      task.set_job("jobs/" + job);
      task.set_attempt(attempt);
      task.set_group_epoch(attempt);
      task.set_rank(rank);
      task.set_slot(rank);
      task.set_world_size(world_size);
      task.set_max_steps(50);
      task.set_log_path(LogPath(rank));
      v1::ProcessGroup& group = *task.add_groups();
      group.set_key("tp/0");
      group.set_backend(v1::ProcessGroup::BACKEND_SHARED_MEMORY);
      for (int peer = 0; peer < world_size; ++peer) group.add_ranks(peer);
    }
    return assignment;
  }
  std::string LogPath(int rank) {
    return folder_ / absl::StrCat("logs/rank-", rank, ".log");
  }

  bool WaitForStates(size_t count) {
    return coordinator_.Wait(
        [count](const Seen& seen) { return seen.states.size() >= count; });
  }

  // What follows a restart may come twice, so counts would not do.
  bool WaitForReports(const std::vector<std::string>& reports) {
    return coordinator_.Wait([&reports](const Seen& seen) {
      return std::all_of(
          reports.begin(), reports.end(), [&seen](const std::string& report) {
            return std::find(seen.order.begin(), seen.order.end(), report) !=
                   seen.order.end();
          });
    });
  }

  // The one zygote of this process; the fixture owns no other child.
  pid_t Zygote() {
    for (const std::string& task : Threads()) {
      std::ifstream file(absl::StrCat("/proc/self/task/", task, "/children"));
      pid_t child = 0;
      if (file >> child) return child;
    }
    return 0;
  }
  static std::vector<std::string> Threads() {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/self/task")) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  testing::TempDir folder_;
  FakeCoordinator coordinator_{"unix:" + (folder_ / "c.sock")};
  WorkerOptions options_;
  std::optional<Agent> agent_;
  absl::Status result_;
  std::thread thread_;
};

TEST_F(AgentTest, RegistersWithWhatItOffers) {
  ASSERT_TRUE(coordinator_.Wait(
      [](const Seen& seen) { return seen.num_heartbeats > 1; }));
  const v1::RegisterWorkerRequest self = coordinator_.seen().registrations[0];
  EXPECT_EQ(self.fence().worker(), "w1");
  EXPECT_FALSE(self.fence().incarnation().empty());
  EXPECT_EQ(self.slots(), 2);
  EXPECT_EQ(self.device(), "cpu");
  EXPECT_GT(self.memory_bytes(), 0);
  EXPECT_EQ(self.running_size(), 0);
  StopAgent();
  EXPECT_EQ(coordinator_.seen().num_deregistrations, 1);
  EXPECT_TRUE(result_.ok()) << result_;
}

TEST_F(AgentTest, EveryStepArrivesInOrderBeforeTheEnd) {
  coordinator_.Assign(Tasks("finish", 1));
  ASSERT_TRUE(WaitForStates(2));
  const Seen seen = coordinator_.seen();
  EXPECT_EQ(seen.order.front(), "READY 0");
  EXPECT_EQ(seen.order.back(), "FINISHED 0");
  ASSERT_EQ(seen.steps.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(seen.steps[i].step(), i + 1);
  EXPECT_EQ(seen.states.back().model_path(), "/model");
  EXPECT_LT(seen.order.size(), 30u) << "steps are not coalesced";
}

TEST_F(AgentTest, FinishedTasksAreNotStartedAgain) {
  coordinator_.Assign(Tasks("finish", 1));
  ASSERT_TRUE(WaitForStates(2));
  coordinator_.Assign(Tasks("finish", 1));  // still named for a moment
  coordinator_.Assign(Tasks("stop", 1, /*attempt=*/2));
  ASSERT_TRUE(WaitForStates(3));
  EXPECT_EQ(coordinator_.seen().states.back().fence().attempt(), 2);
  EXPECT_THAT(coordinator_.seen().order, Contains("READY 0").Times(2));
}

TEST_F(AgentTest, CrashIsReportedWithRankSignalAndLogLines) {
  coordinator_.Assign(Tasks("crash", 2));
  ASSERT_TRUE(coordinator_.Wait([](const Seen& seen) {
    return !seen.states.empty() &&
           seen.states.back().state() == Report::STATE_FAILED;
  }));
  const Report report = coordinator_.seen().states.back();
  const v1::Failure& failure = report.failure();
  EXPECT_EQ(report.rank(), 1);
  EXPECT_EQ(failure.rank(), 1);
  EXPECT_EQ(failure.worker(), "w1");
  EXPECT_EQ(failure.signal(), SIGABRT);
  EXPECT_EQ(failure.reason(), v1::FAILURE_REASON_TRAINER_EXITED);
  EXPECT_THAT(failure.message(), HasSubstr("rank 1 ended with signal 6"));
  EXPECT_THAT(failure.log_lines(), Contains("about to crash"));
  // The other rank was woken by the abort: its end is no second failure.
  coordinator_.Assign({});
  StopAgent();
  EXPECT_THAT(coordinator_.seen().order, Contains("FAILED 1").Times(1));
  EXPECT_THAT(coordinator_.seen().order, Contains("FAILED 0").Times(0));
}

TEST_F(AgentTest, OwnReasonOfTheTrainerIsKept) {
  coordinator_.Assign(Tasks("broken-data", 2));
  ASSERT_TRUE(coordinator_.Wait([](const Seen& seen) {
    return !seen.states.empty() &&
           seen.states.back().state() == Report::STATE_FAILED;
  }));
  const v1::Failure failure = coordinator_.seen().states.back().failure();
  EXPECT_EQ(failure.rank(), 1);
  EXPECT_EQ(failure.reason(), v1::FAILURE_REASON_DATA);
  EXPECT_EQ(failure.message(), "token 99 is not below 10");
  EXPECT_EQ(failure.exit_code(), 1);
}

TEST_F(AgentTest, OrderToStopReachesTheTrainers) {
  v1::Assignment assignment = Tasks("stop", 2);
  coordinator_.Assign(assignment);
  ASSERT_TRUE(WaitForStates(2));
  v1::JobOrder& order = *assignment.add_orders();
  order.set_job("jobs/stop");
  order.set_attempt(1);
  order.set_stop_after_step(true);
  coordinator_.Assign(assignment);
  ASSERT_TRUE(WaitForStates(4));
  EXPECT_THAT(coordinator_.seen().order, Contains("STOPPED 0"));
  EXPECT_THAT(coordinator_.seen().order, Contains("STOPPED 1"));
}

TEST_F(AgentTest, TrainersThatAreEndedByOrderAreReportedAsStopped) {
  v1::Assignment assignment = Tasks("stop", 2);
  coordinator_.Assign(assignment);
  ASSERT_TRUE(WaitForStates(2));
  v1::JobOrder& order = *assignment.add_orders();
  order.set_job("jobs/stop");
  order.set_attempt(1);
  order.set_stop_now(true);
  coordinator_.Assign(assignment);
  ASSERT_TRUE(WaitForStates(4));
  EXPECT_THAT(coordinator_.seen().order, Contains("STOPPED 0"));
  EXPECT_THAT(coordinator_.seen().order, Contains("STOPPED 1"));
}

TEST_F(AgentTest, SurplusTrainerEndsWithoutAFailure) {
  coordinator_.Assign(Tasks("stop", 2));
  ASSERT_TRUE(WaitForStates(2));
  coordinator_.Assign(Tasks("finish", 2, /*attempt=*/2));  // takes the slots
  ASSERT_TRUE(WaitForStates(6));
  EXPECT_THAT(coordinator_.seen().order, Contains("FINISHED 0"));
  EXPECT_THAT(coordinator_.seen().order, Contains("FINISHED 1"));
  EXPECT_THAT(coordinator_.seen().order, Contains("FAILED 0").Times(0));
}

TEST_F(AgentTest, KeysAndCheckpointsGoThroughTheAgent) {
  coordinator_.Assign(Tasks("keys", 2));
  ASSERT_TRUE(WaitForStates(4));
  EXPECT_THAT(coordinator_.seen().order, Contains("FINISHED 0"));
  EXPECT_THAT(coordinator_.seen().order, Contains("FINISHED 1"));
  coordinator_.Assign(Tasks("checkpoint", 2, /*attempt=*/2));
  ASSERT_TRUE(WaitForStates(8));
  const Seen seen = coordinator_.seen();
  EXPECT_THAT(seen.order, Contains("FINISHED 0").Times(2));
  ASSERT_EQ(seen.commits.size(), 1u);
  EXPECT_EQ(seen.commits[0].checkpoint(), "checkpoints/50");
}

TEST_F(AgentTest, LogsAreUploaded) {
  coordinator_.Assign(Tasks("stop", 1));
  EXPECT_TRUE(coordinator_.Wait([](const Seen& seen) {
    return seen.logs.contains(0) &&
           seen.logs.at(0).find("this is rank 0 of stop") != std::string::npos;
  }));
}

TEST_F(AgentTest, RunningTrainersAreAdoptedByANewCoordinator) {
  v1::Assignment assignment = Tasks("stop", 2);
  coordinator_.Assign(assignment);
  ASSERT_TRUE(WaitForReports({"READY 0", "READY 1"}));
  ASSERT_TRUE(coordinator_.Wait(
      [](const Seen& seen) { return seen.steps.size() >= 50; }));
  coordinator_.Stop();
  coordinator_.Start();
  ASSERT_TRUE(coordinator_.Wait(
      [](const Seen& seen) { return seen.registrations.size() == 2; }));
  const v1::RegisterWorkerRequest again =
      coordinator_.seen().registrations.back();
  EXPECT_EQ(again.fence().incarnation(),
            coordinator_.seen().registrations.front().fence().incarnation());
  ASSERT_EQ(again.running_size(), 2);
  EXPECT_EQ(again.running(0).job(), "jobs/stop");
  EXPECT_EQ(again.running(0).attempt(), 1);
  EXPECT_EQ(again.running(1).rank(), 1);
  EXPECT_EQ(again.running(0).step(), 50);
  // They go on, and their end is reported under the new epoch.
  v1::JobOrder& order = *assignment.add_orders();
  order.set_job("jobs/stop");
  order.set_attempt(1);
  order.set_stop_after_step(true);
  coordinator_.Assign(assignment);
  ASSERT_TRUE(WaitForReports({"STOPPED 0", "STOPPED 1"}));
  EXPECT_EQ(coordinator_.seen().states.back().fence().coordinator_epoch(), 2);
}

TEST_F(AgentTest, ReportsWaitForACoordinatorThatIsAway) {
  v1::Assignment assignment = Tasks("stop", 1);
  assignment.mutable_tasks(0)->set_max_steps(2'000);
  coordinator_.Assign(assignment);
  ASSERT_TRUE(
      coordinator_.Wait([](const Seen& seen) { return !seen.steps.empty(); }));
  coordinator_.Stop();
  for (const pid_t trainer : Children(Zygote())) kill(trainer, SIGKILL);
  coordinator_.Start();
  ASSERT_TRUE(coordinator_.Wait([](const Seen& seen) {
    return seen.states.back().state() == Report::STATE_FAILED;
  }));
  const Seen seen = coordinator_.seen();
  EXPECT_EQ(seen.states.back().failure().signal(), SIGKILL);
  // A batch whose answer was lost may come twice; none may be left out.
  int64_t last = 0;
  for (const v1::StepMetrics& step : seen.steps) {
    EXPECT_LE(step.step(), last + 1);
    last = std::max(last, step.step());
  }
  EXPECT_EQ(last, seen.states.back().step());
}

TEST_F(AgentTest, FencedAttemptEndsAndReportsNoMore) {
  coordinator_.Assign(Tasks("stop", 1));
  ASSERT_TRUE(WaitForStates(1));
  coordinator_.FenceBelow(2);
  const pid_t zygote = Zygote();
  for (const pid_t trainer : Children(zygote)) kill(trainer, SIGKILL);
  coordinator_.Assign(Tasks("finish", 1, /*attempt=*/2));
  ASSERT_TRUE(coordinator_.Wait([](const Seen& seen) {
    return seen.states.back().state() == Report::STATE_FINISHED;
  }));
  EXPECT_THAT(coordinator_.seen().order, Contains("FAILED 0").Times(0));
  EXPECT_EQ(coordinator_.seen().registrations.size(), 1u)
      << "a stale attempt is no stale session";
}

TEST_F(AgentTest, ZygoteIsReplacedWhenItDies) {
  coordinator_.Assign(Tasks("stop", 1));
  ASSERT_TRUE(WaitForStates(1));
  const pid_t first = Zygote();
  ASSERT_GT(first, 0);
  kill(first, SIGKILL);
  ASSERT_TRUE(coordinator_.Wait([](const Seen& seen) {
    return seen.states.back().state() == Report::STATE_FAILED;
  }));
  EXPECT_THAT(coordinator_.seen().states.back().failure().message(),
              HasSubstr("its zygote ended with signal 9"));
  coordinator_.Assign(Tasks("finish", 1, /*attempt=*/2));
  ASSERT_TRUE(coordinator_.Wait([](const Seen& seen) {
    return seen.states.back().state() == Report::STATE_FINISHED;
  }));
  EXPECT_NE(Zygote(), first);
}

TEST_F(AgentTest, LogThatCannotBeOpenedIsAFailureOfItsRank) {
  v1::Assignment assignment = Tasks("finish", 1);
  assignment.mutable_tasks(0)->set_log_path("/proc/none/rank-0.log");
  coordinator_.Assign(assignment);
  ASSERT_TRUE(WaitForStates(1));
  const v1::Failure failure = coordinator_.seen().states[0].failure();
  EXPECT_EQ(failure.rank(), 0);
  EXPECT_THAT(failure.message(), HasSubstr("/proc/none"));
}

TEST_F(AgentTest, RefusedWorkerEnds) {
  ASSERT_TRUE(coordinator_.Wait(
      [](const Seen& seen) { return !seen.registrations.empty(); }));
  coordinator_.Refuse(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                                   "WRONG_CLUSTER: restart"));
  coordinator_.Stop();
  coordinator_.Start();
  thread_.join();
  EXPECT_TRUE(absl::IsFailedPrecondition(result_)) << result_;
}

}  // namespace
}  // namespace autotp::agent
