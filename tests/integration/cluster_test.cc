// Goal: the commands against a cluster answer as people and scripts expect,
// and a coordinator or a worker that dies costs no job.
// Method: a real coordinator and worker; the real `autotp` command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "tests/integration/autotp_command.h"
#include "tests/support/cluster.h"

namespace autotp::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ClusterTest : public ::testing::Test {
 protected:
  // `autotp ARGUMENTS --coordinator ... --output json`.
  ExitStatus Ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), ProgramPath("autotp"));
    for (const std::string& more :
         {std::string("--coordinator"), cluster_.address(),
          std::string("--output"), std::string("json")}) {
      arguments.push_back(more);
    }
    auto status = RunCommand(std::move(arguments), kCommandTimeout);
    EXPECT_TRUE(status.ok()) << status.status();
    return status.ok() ? *status : ExitStatus{};
  }

  json AskJson(std::vector<std::string> arguments) {
    const ExitStatus status = Ask(std::move(arguments));
    EXPECT_EQ(status.code, 0) << status.errors << cluster_.Logs();
    json answer = json::parse(status.output, nullptr, false);
    EXPECT_FALSE(answer.is_discarded()) << status.output;
    return answer;
  }

  // Submits the tiny llama at TP 2 under the name `job`.
  json Submit(const std::string& job, int steps,
              std::vector<std::string> more = {}) {
    TrainCommand command{.config = WriteConfig(folder_, "ds.json", {})};
    std::vector<std::string> arguments = {"submit",
                                          "--model",
                                          command.model,
                                          "--data",
                                          command.data,
                                          "--config",
                                          command.config,
                                          "--slots",
                                          "2",
                                          "--sequence-length",
                                          "32",
                                          "--max-steps",
                                          std::to_string(steps),
                                          "--no-shuffle",
                                          "--job-id",
                                          job,
                                          "--output-dir",
                                          folder_ / job};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return AskJson(arguments);
  }

  // Asks for the job until `wanted` holds for it.
  json Await(const std::string& job,
             const std::function<bool(const json&)>& wanted) {
    const absl::Time deadline = absl::Now() + kCommandTimeout;
    json answer;
    while (absl::Now() < deadline) {
      answer = AskJson({"describe", job});
      if (HasFailure() || wanted(answer)) return answer;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "waited in vain: " << answer.dump(2) << cluster_.Logs();
    return answer;
  }

  json AwaitStep(const std::string& job, int64_t step) {
    return Await(job, [step](const json& answer) {
      return answer["status"]["progress"]["step"] >= step;
    });
  }

  std::string Weights(const std::string& job) {
    return ReadFileOrEmpty((folder_ / job) + "/model/model.safetensors");
  }

  TempDir folder_;
  Cluster cluster_{/*slots=*/2};
};

constexpr int kUntilCancelled = 1000000;

TEST_F(ClusterTest, EveryCommandAnswersWithJson) {
  EXPECT_EQ(Submit("first", 8)["name"], "jobs/first");
  EXPECT_EQ(Ask({"watch", "first"}).code, 0);

  EXPECT_EQ(AskJson({"list"})["jobs"].size(), 1u);
  const json job = AskJson({"describe", "first"});
  EXPECT_EQ(job["status"]["state"], "succeeded") << job.dump(2);
  EXPECT_GT(job["events"].size(), 3u);
  const json workers = AskJson({"workers"})["workers"];
  ASSERT_EQ(workers.size(), 1u);
  EXPECT_EQ(workers[0]["slots_total"], 2);
  const json checkpoints = AskJson({"checkpoints", "first"})["checkpoints"];
  ASSERT_FALSE(checkpoints.empty());
  EXPECT_EQ(checkpoints.back()["step"], 8);

  std::istringstream lines(Ask({"metrics", "first"}).output);
  int64_t step = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(json::parse(line)["step"], ++step);
  }
  EXPECT_EQ(step, 8);
  EXPECT_THAT(Ask({"logs", "first", "--rank", "1"}).output,
              HasSubstr("\"data\""));
}

TEST_F(ClusterTest, WrongCommandsAreExplained) {
  EXPECT_EQ(Ask({"describe", "nobody"}).code, 2);
  EXPECT_THAT(Ask({"describe", "nobody"}).errors, HasSubstr("jobs/nobody"));
  EXPECT_EQ(Ask({"describe"}).code, 2);
  EXPECT_EQ(Ask({"describe", "nobody", "--colour"}).code, 2);
  EXPECT_EQ(Ask({"frobnicate"}).code, 2);
}

TEST_F(ClusterTest, ACheckpointIsSavedOnDemandAndByCancelling) {
  Submit("long", kUntilCancelled);
  AwaitStep("long", 3);
  AskJson({"checkpoints", "long", "--save"});
  json saved;
  Await("long", [&](const json&) {
    saved = AskJson({"checkpoints", "long"})["checkpoints"];
    return !saved.empty() && saved[0]["state"] == "committed";
  });
  const int64_t first = saved[0]["step"];

  EXPECT_EQ(Ask({"cancel", "long"}).code, 0);
  EXPECT_EQ(Ask({"watch", "long"}).code, 1);
  const json job = AskJson({"describe", "long"});
  EXPECT_EQ(job["status"]["state"], "cancelled") << job.dump(2);
  saved = AskJson({"checkpoints", "long"})["checkpoints"];
  EXPECT_GT(saved.back()["step"], first);
  EXPECT_EQ(saved.back()["step"], job["status"]["progress"]["step"]);
  EXPECT_EQ(Ask({"checkpoints", "long", "--save"}).code, 1)
      << "nothing runs that could save";
}

TEST_F(ClusterTest, TheNextJobWaitsForSlotsAndSaysSo) {
  Submit("long", kUntilCancelled);
  AwaitStep("long", 1);
  Submit("next", 4);
  const json waiting = AskJson({"describe", "next"});
  EXPECT_EQ(waiting["status"]["state"], "queued");
  EXPECT_THAT(waiting["status"]["state_message"].dump(), HasSubstr("slot"));
  EXPECT_EQ(Ask({"cancel", "long", "--immediate"}).code, 0);
  EXPECT_EQ(Ask({"watch", "next"}).code, 0) << cluster_.Logs();
}

TEST_F(ClusterTest, ACoordinatorThatDiesDisturbsNoJob) {
  constexpr int kSteps = 400;
  Submit("undisturbed", kSteps);
  ASSERT_EQ(Ask({"watch", "undisturbed"}).code, 0);

  Submit("survivor", kSteps, {"--checkpoint-every", "100"});
  AwaitStep("survivor", 20);
  cluster_.coordinator().Signal(SIGKILL);
  ASSERT_TRUE(cluster_.coordinator().Wait(kCommandTimeout).ok());
  cluster_.RestartCoordinator();
  EXPECT_EQ(Ask({"watch", "survivor"}).code, 0) << cluster_.Logs();
  const json job = AskJson({"describe", "survivor"});
  EXPECT_EQ(job["status"]["state"], "succeeded") << job.dump(2);
  EXPECT_EQ(job["status"]["attempt"], 1) << "it was started again";
  EXPECT_FALSE(Weights("survivor").empty());
  EXPECT_EQ(Weights("survivor"), Weights("undisturbed"));
}

TEST_F(ClusterTest, AWorkerThatDiesEndsTheAttemptAndTheNextOneGoesOn) {
  Submit("job", kUntilCancelled,
         {"--checkpoint-every", "20", "--max-restarts", "1"});
  const json before = AwaitStep("job", 60);
  cluster_.worker().Signal(SIGKILL);
  ASSERT_TRUE(cluster_.worker().Wait(kCommandTimeout).ok());
  Await("job", [](const json& answer) {
    return answer["status"]["state"] == "recovering";
  });
  cluster_.RestartWorker();
  const json after = Await("job", [&](const json& answer) {
    return answer["status"]["attempt"] == 2 &&
           answer["status"]["state"] == "running" &&
           answer["status"]["progress"]["step"] > 60;
  });
  EXPECT_THAT(after["status"]["last_failure"]["message"].dump(),
              HasSubstr("worker"));
  EXPECT_EQ(Ask({"cancel", "job", "--immediate"}).code, 0);
}

}  // namespace
}  // namespace autotp::testing
