// Goal: `autotp train` does its whole job: a trained folder, metrics, logs,
// checkpoints, resume, interruption.
// Method: the real programs on the tiny llama of tests/golden.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <thread>

#include "tests/integration/autotp_command.h"

namespace autotp::testing {
namespace {

using ::testing::HasSubstr;

ExitStatus MustRun(const TrainCommand& command) {
  auto status = RunCommand(command.Arguments(), kCommandTimeout);
  EXPECT_TRUE(status.ok()) << status.status();
  return status.ok() ? *status : ExitStatus{};
}

std::string Weights(const TrainCommand& command) {
  return ReadFileOrEmpty(command.output + "/model/model.safetensors");
}

TEST(TrainTest, LeavesATrainedFolderMetricsAndLogs) {
  TempDir folder;
  TrainCommand command{.output = folder / "out",
                       .config = WriteConfig(folder, "ds.json", {})};
  const ExitStatus status = MustRun(command);
  ASSERT_EQ(status.code, 0) << status.errors << status.output;
  EXPECT_THAT(status.output + status.errors,
              HasSubstr(command.output + "/model"));
  const auto steps = command.Metrics();
  ASSERT_EQ(steps.size(), 8u);
  for (const char* key :
       {"step", "loss", "grad_norm", "learning_rate", "tokens"}) {
    EXPECT_TRUE(steps[0].contains(key)) << steps[0];
  }
  EXPECT_EQ(steps[0]["step"], 1);
  EXPECT_EQ(steps[0]["tokens"], 8 * 32);
  EXPECT_LT(steps[7]["loss"], steps[0]["loss"]);
  EXPECT_FALSE(Weights(command).empty());
  EXPECT_TRUE(std::filesystem::exists(command.output + "/model/config.json"));
  int logs = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(command.output + "/logs")) {
    const bool of_rank =
        entry.path().filename().string().find("rank") != std::string::npos;
    logs += of_rank && entry.file_size() > 0;
  }
  EXPECT_EQ(logs, 2) << "one log per rank";
}

TEST(TrainTest, EvaluatesHeldOutDataAndEndsAtTheTargetLoss) {
  TempDir folder;
  TrainCommand command{.output = folder / "out",
                       .config = WriteConfig(folder, "ds.json", {})};
  command.more = {"--eval-data",
                  SourcePath("tests/golden/models/data/tokens_v256.bin"),
                  "--eval-every",
                  "2",
                  "--eval-sequences",
                  "5",
                  "--target-loss",
                  "5.5"};
  const ExitStatus status = MustRun(command);
  ASSERT_EQ(status.code, 0) << status.errors << status.output;
  const auto steps = command.Metrics();
  ASSERT_EQ(steps.size(), 4u);  // the trace's fourth loss is 5.30
  EXPECT_FALSE(steps[0].contains("evaluation"));
  for (const int i : {1, 3}) {
    ASSERT_TRUE(steps[i].contains("evaluation")) << steps[i];
    EXPECT_EQ(steps[i]["evaluation"]["tokens"], 5 * 31);
    EXPECT_NEAR(steps[i]["evaluation"]["perplexity"].get<double>(),
                std::exp(steps[i]["evaluation"]["loss"].get<double>()), 1e-9);
  }
  EXPECT_THAT(status.output, HasSubstr("has reached the target 5.5"));
  EXPECT_THAT(status.errors, HasSubstr("evaluation "));
  EXPECT_FALSE(Weights(command).empty());
}

TEST(TrainTest, TrainsInFp16AndSaysWhatItSkipped) {
  TempDir folder;
  TrainCommand command{
      .output = folder / "out",
      .config = WriteConfig(folder, "ds.json",
                            {{"fp16",
                              {{"enabled", true},
                               {"hysteresis", 1},
                               {"initial_scale_power", 30}}}})};
  const ExitStatus status = MustRun(command);
  ASSERT_EQ(status.code, 0) << status.errors << status.output;
  const auto steps = command.Metrics();
  ASSERT_EQ(steps.size(), 8u);
  EXPECT_EQ(steps[0]["loss_scale"], 1 << 30);
  EXPECT_EQ(steps[0]["skipped"], true);
  EXPECT_TRUE(steps[0]["grad_norm"].is_null());
  EXPECT_EQ(steps[1]["loss_scale"], 1 << 29);
  EXPECT_THAT(status.errors, HasSubstr("skipped"));
}

TEST(TrainTest, ResumeEqualsTheRunThatDidNotStop) {
  TempDir folder;
  const std::string config =
      WriteConfig(folder, "ds.json",
                  {{"zero_optimization", {{"stage", 2}}},
                   {"train_micro_batch_size_per_gpu", 2}});
  TrainCommand whole{.output = folder / "whole", .config = config, .slots = 4};
  ASSERT_EQ(MustRun(whole).code, 0);

  TrainCommand parts{
      .output = folder / "parts", .config = config, .slots = 4, .steps = 5};
  ASSERT_EQ(MustRun(parts).code, 0);
  parts.steps = 8;
  parts.more = {"--resume"};
  const ExitStatus resumed = MustRun(parts);
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  EXPECT_EQ(parts.Metrics(), whole.Metrics());
  EXPECT_EQ(Weights(parts), Weights(whole)) << "not the same bytes";
}

TEST(TrainTest, ResumeAtAnotherLayoutStaysWithinRounding) {
  TempDir folder;
  TrainCommand whole{.output = folder / "whole",
                     .config = WriteConfig(folder, "a.json", {})};
  ASSERT_EQ(MustRun(whole).code, 0);
  TrainCommand parts = whole;
  parts.output = folder / "parts";
  parts.steps = 4;
  ASSERT_EQ(MustRun(parts).code, 0);
  parts.steps = 8;
  parts.more = {"--resume"};
  parts.config = WriteConfig(folder, "b.json",
                             {{"tensor_parallel", {{"autotp_size", 1}}},
                              {"zero_optimization", {{"stage", 1}}}});
  const ExitStatus resumed = MustRun(parts);
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  const auto got = parts.Metrics(), want = whole.Metrics();
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i]["loss"].get<double>(), want[i]["loss"].get<double>(),
                1e-5 * want[i]["loss"].get<double>());
  }
}

// Waits until the command has reported at least `steps` steps.
void AwaitSteps(const TrainCommand& command, Subprocess& process,
                size_t steps) {
  const absl::Time deadline = absl::Now() + kCommandTimeout;
  while (command.Metrics().size() < steps && process.Running() &&
         absl::Now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  ASSERT_GE(command.Metrics().size(), steps) << process.Errors();
}

// Long enough that a signal always finds it training.
TrainCommand LongRun(const TempDir& folder) {
  return {.output = folder / "out",
          .config = WriteConfig(folder, "ds.json", {}),
          .steps = 20000,
          .more = {"--checkpoint-every", "50"}};
}

TEST(TrainTest, InterruptSavesACheckpointAndExits130) {
  TempDir folder;
  TrainCommand command = LongRun(folder);
  Subprocess process(command.Arguments());
  ASSERT_NO_FATAL_FAILURE(AwaitSteps(command, process, 3));
  process.Signal(SIGINT);
  auto status = process.Wait(kCommandTimeout);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->code, 130) << status->errors;
  const size_t stopped_at = command.Metrics().size();
  EXPECT_LT(stopped_at, 20000u);

  command.steps = static_cast<int>(stopped_at) + 2;
  command.more = {"--resume"};
  const ExitStatus resumed = MustRun(command);
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  EXPECT_EQ(command.Metrics().size(), stopped_at + 2)
      << "resumed from another step than the one that was saved";
}

// All files below `folder`, with what is in them.
std::map<std::string, std::string> FilesBelow(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().string()] = ReadFileOrEmpty(entry.path().string());
  }
  return files;
}

TEST(TrainTest, AFullDiskWhileSavingLosesNothing) {
  TempDir folder;
  const std::string config = WriteConfig(
      folder, "ds.json", {{"tensor_parallel", {{"autotp_size", 1}}}});
  TrainCommand command{
      .output = folder / "out", .config = config, .slots = 1, .steps = 4};
  ASSERT_EQ(MustRun(command).code, 0);
  const auto committed = FilesBelow(command.output + "/checkpoints");
  const std::string weights = Weights(command);
  ASSERT_FALSE(committed.empty());

  // A limit on the size of files stands for the disk: the part of the one rank
  // has 1 MiB, the coordinator's state is smaller than the limit.
  command.steps = 8;
  command.more = {"--resume"};
  std::vector<std::string> limited = {
      "/bin/bash", "-c", "trap '' XFSZ; ulimit -f 512; exec \"$@\"", "limited"};
  for (const std::string& argument : command.Arguments())
    limited.push_back(argument);
  auto failed = RunCommand(limited, kCommandTimeout);
  ASSERT_TRUE(failed.ok()) << failed.status();
  EXPECT_EQ(failed->code, 1) << failed->errors;
  EXPECT_THAT(failed->errors, HasSubstr("checkpoints/"));
  EXPECT_EQ(FilesBelow(command.output + "/checkpoints"), committed);
  EXPECT_EQ(Weights(command), weights);

  const ExitStatus resumed = MustRun(command);
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  EXPECT_EQ(command.Metrics().size(), 8u);
}

// Process ids of the trainers below `root`.
std::vector<pid_t> Trainers(pid_t root) {
  std::map<pid_t, std::pair<pid_t, std::string>> processes;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid == 0) continue;  // /proc/self and what is no process
    const std::string status =
        ReadFileOrEmpty(entry.path().string() + "/status");
    const size_t name = status.find("Name:\t"), parent = status.find("PPid:\t");
    if (name == std::string::npos || parent == std::string::npos) continue;
    processes[pid] = {std::atoi(status.c_str() + parent + 6),
                      status.substr(name + 6, status.find('\n') - name - 6)};
  }
  std::vector<pid_t> found;
  for (const auto& [pid, facts] : processes) {
    // The zygote calls them trainer-SLOT.
    if (facts.second.rfind("trainer-", 0) != 0) continue;
    for (pid_t at = pid; processes.contains(at); at = processes[at].first) {
      if (at == root) found.push_back(pid);
    }
  }
  return found;
}

TEST(TrainTest, ADeadTrainerIsNamedWithItsSignal) {
  TempDir folder;
  TrainCommand command = LongRun(folder);
  Subprocess process(command.Arguments());
  ASSERT_NO_FATAL_FAILURE(AwaitSteps(command, process, 3));
  const std::vector<pid_t> trainers = Trainers(process.pid());
  ASSERT_EQ(trainers.size(), 2u);
  kill(trainers[1], SIGKILL);
  auto status = process.Wait(kCommandTimeout);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->code, 1);
  EXPECT_THAT(status->errors, HasSubstr("rank"));
  EXPECT_THAT(status->errors, HasSubstr("signal 9"));
}

TEST(TrainTest, ARestartContinuesFromTheLastCheckpointWithTheSameNumbers) {
  TempDir folder;
  TrainCommand command = LongRun(folder);
  command.steps = 400;
  command.more = {"--checkpoint-every", "20", "--max-restarts", "1"};
  Subprocess process(command.Arguments());
  ASSERT_NO_FATAL_FAILURE(AwaitSteps(command, process, 60));
  const std::vector<pid_t> trainers = Trainers(process.pid());
  ASSERT_FALSE(trainers.empty());
  kill(trainers[0], SIGKILL);
  auto status = process.Wait(kCommandTimeout);
  ASSERT_TRUE(status.ok()) << status.status();
  ASSERT_EQ(status->code, 0) << status->errors;

  TrainCommand undisturbed = command;
  undisturbed.output = folder / "undisturbed";
  undisturbed.more = {};
  ASSERT_EQ(MustRun(undisturbed).code, 0);
  EXPECT_EQ(Weights(command), Weights(undisturbed));
}

}  // namespace
}  // namespace autotp::testing
