// Goal: `autotp export` makes of a run's checkpoint the folder that the run
// itself left, without a cluster, and says what it cannot export.
// Method: the real programs on the tiny llama of tests/golden.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/autotp_command.h"

namespace autotp::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ExitStatus Export(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {ProgramPath("autotp"), "export"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  auto status = RunCommand(all, kCommandTimeout);
  EXPECT_TRUE(status.ok()) << status.status();
  return status.ok() ? *status : ExitStatus{};
}

TEST(ExportTest, MakesTheSameFolderAsTheRun) {
  TempDir folder;
  TrainCommand command{.output = folder / "out",
                       .config = WriteConfig(folder, "ds.json", {}),
                       .steps = 2};
  const auto trained = RunCommand(command.Arguments(), kCommandTimeout);
  ASSERT_TRUE(trained.ok() && trained->code == 0) << trained->errors;

  const std::string exported = folder / "exported";
  const ExitStatus status = Export({command.output, "--output", exported});
  ASSERT_EQ(status.code, 0) << status.errors;
  EXPECT_THAT(status.output, AllOf(HasSubstr("step 2"), HasSubstr(exported)));
  for (const char* file : {"model.safetensors", "config.json"}) {
    EXPECT_EQ(ReadFileOrEmpty(exported + "/" + file),
              ReadFileOrEmpty(command.output + "/model/" + file))
        << file;
  }

  const ExitStatus sharded =
      Export({command.output + "/latest", "--output", exported, "--dtype",
              "bf16", "--max-file-size", "50KB"});
  ASSERT_EQ(sharded.code, 0) << sharded.errors;
  EXPECT_THAT(ReadFileOrEmpty(exported + "/model.safetensors.index.json"),
              HasSubstr("model-00001-of-"));
  EXPECT_THAT(ReadFileOrEmpty(exported + "/config.json"),
              HasSubstr("bfloat16"));
}

TEST(ExportTest, BadInputHasExitCodeTwoAndAName) {
  TempDir folder;
  std::filesystem::create_directory(folder / "ds");
  std::ofstream(folder / "ds/mp_rank_00_model_states.pt") << "x";
  const ExitStatus status =
      Export({folder / "ds", "--output", folder / "exported"});
  EXPECT_EQ(status.code, 2);
  EXPECT_THAT(status.errors, HasSubstr("a DeepSpeed checkpoint"));
  EXPECT_FALSE(std::filesystem::exists(folder / "exported"));
  EXPECT_EQ(
      Export({folder / "ds", "--output", folder / "x", "--dtype", "int8"}).code,
      2);
}

}  // namespace
}  // namespace autotp::testing
