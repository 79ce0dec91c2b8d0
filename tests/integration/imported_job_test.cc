// Goal: a job on an imported model is a job like any other: it gives the native
// model's numbers, resumes at another layout, is cut by patterns on its
// modules' names, and leaves a folder that can be trained again. Method: the
// real programs on the tiny llama of tests/golden, with and without its program
// file beside config.json.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/integration/autotp_command.h"
#include "tests/support/imported_folder.h"

namespace autotp::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ExitStatus MustRun(const std::vector<std::string>& arguments) {
  auto status = RunCommand(arguments, kCommandTimeout);
  EXPECT_TRUE(status.ok()) << status.status();
  return status.ok() ? *status : ExitStatus{};
}

std::string Weights(const std::string& model) {
  return ReadFileOrEmpty(model + "/model.safetensors");
}

TEST(ImportedJobTest, GivesTheBytesOfTheNativeModel) {
  TempDir folder;
  TrainCommand native{.output = folder / "native",
                      .config = WriteConfig(folder, "ds.json", {}),
                      .steps = 4};
  ASSERT_EQ(MustRun(native.Arguments()).code, 0);
  TrainCommand imported = native;
  imported.model = MakeImportedFolder(folder.path(), "llama");
  imported.output = folder / "out";
  const ExitStatus status = MustRun(imported.Arguments());
  ASSERT_EQ(status.code, 0) << status.errors;
  EXPECT_THAT(status.errors + status.output,
              HasSubstr("is what is trained: LlamaForCausalLM"));
  EXPECT_EQ(imported.Metrics(), native.Metrics());
  EXPECT_EQ(Weights(imported.output + "/model"),
            Weights(native.output + "/model"));

  // What it leaves is as complete as what it was given.
  EXPECT_TRUE(
      std::filesystem::exists(imported.output + "/model/autotp_program.json"));
  TrainCommand again = imported;
  again.model = imported.output + "/model";
  again.output = folder / "again";
  const ExitStatus trained_on = MustRun(again.Arguments());
  ASSERT_EQ(trained_on.code, 0) << trained_on.errors;
  EXPECT_LT(again.Metrics()[0]["loss"], imported.Metrics()[3]["loss"]);

  const ExitStatus exported =
      MustRun({ProgramPath("autotp"), "export", imported.output, "--output",
               folder / "exported"});
  ASSERT_EQ(exported.code, 0) << exported.errors;
  EXPECT_EQ(Weights(folder / "exported"), Weights(native.output + "/model"));
}

TEST(ImportedJobTest, ResumesAtAnotherLayoutWithinRounding) {
  TempDir folder;
  TrainCommand whole{
      .output = folder / "whole",
      .model = MakeImportedFolder(folder.path(), "llama"),
      .config = WriteConfig(folder, "a.json",
                            {{"zero_optimization", {{"stage", 2}}}}),
      .slots = 4};
  ASSERT_EQ(MustRun(whole.Arguments()).code, 0);
  TrainCommand parts = whole;
  parts.output = folder / "parts";
  parts.steps = 4;
  ASSERT_EQ(MustRun(parts.Arguments()).code, 0);
  parts.steps = 8;
  parts.slots = 1;
  parts.more = {"--resume"};
  parts.config = WriteConfig(folder, "b.json",
                             {{"tensor_parallel", {{"autotp_size", 1}}}});
  const ExitStatus resumed = MustRun(parts.Arguments());
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  const auto got = parts.Metrics(), want = whole.Metrics();
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i]["loss"].get<double>(), want[i]["loss"].get<double>(),
                1e-5 * want[i]["loss"].get<double>());
  }
}

TEST(ImportedJobTest, PatternsCutItByTheNamesOfItsModules) {
  TempDir folder;
  const nlohmann::json rules = nlohmann::json::parse(R"([
    {"patterns": [".*\\.mlp\\.(gate|up)_proj\\.weight$"],
     "partition_type": "column"},
    {"patterns": [".*\\.mlp\\.down_proj\\.weight$"], "partition_type": "row"},
    {"patterns": [".*"], "partition_type": "skip"}])");
  const std::string config = WriteConfig(
      folder, "ds.json",
      {{"tensor_parallel",
        {{"partition_config",
          {{"use_default_specs", false}, {"layer_specs", rules}}}}}});
  TrainCommand command{.output = folder / "out",
                       .model = MakeImportedFolder(folder.path(), "llama"),
                       .config = config,
                       .steps = 4};
  const ExitStatus plan =
      MustRun({ProgramPath("autotp"), "plan", "--model", command.model,
               "--config", config, "--world-size", "2", "--sequence-length",
               "32", "--explain", "model.layers.0.self_attn.q_proj.weight"});
  EXPECT_EQ(plan.code, 0) << plan.errors;
  EXPECT_THAT(plan.output, AllOf(HasSubstr("whole"), HasSubstr(".*")));
  const ExitStatus status = MustRun(command.Arguments());
  ASSERT_EQ(status.code, 0) << status.errors;
  const nlohmann::json trace = nlohmann::json::parse(
      ReadFileOrEmpty(SourcePath("tests/golden/models/llama/trace.json")));
  const auto steps = command.Metrics();
  ASSERT_EQ(steps.size(), 4u);
  for (size_t i = 0; i < steps.size(); ++i) {
    const double want = trace["steps"][i]["loss"].get<double>();
    EXPECT_NEAR(steps[i]["loss"].get<double>(), want, 1e-5 * want);
  }
}

}  // namespace
}  // namespace autotp::testing
