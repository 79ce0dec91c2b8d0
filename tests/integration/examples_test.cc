// Goal: modules that are no Hugging Face models train from the command line,
// with inputs of any kind, as PyTorch trains them.
// Method: the examples' program files, made by tests/golden/imported/make.py
// with the losses of eight steps in PyTorch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/integration/autotp_command.h"

namespace autotp::testing {
namespace {

using ::testing::HasSubstr;

struct Example {
  const char* name;
  const char* data;
};

class ExamplesTest : public ::testing::TestWithParam<Example> {};

TrainCommand CommandFor(const Example& example, const TempDir& folder) {
  const std::string home =
      SourcePath(std::string("tests/golden/imported/") + example.name);
  return {.output = folder / "out",
          .model = home,
          .data = home + "/" + example.data,
          .config = SourcePath(std::string("deploy/examples/") + example.name +
                               ".json"),
          .sequence_length = 12};
}

TEST_P(ExamplesTest, TrainsAsPyTorchDoes) {
  const TempDir folder;
  const TrainCommand command = CommandFor(GetParam(), folder);
  const auto status = RunCommand(command.Arguments(), kCommandTimeout);
  ASSERT_TRUE(status.ok()) << status.status();
  ASSERT_EQ(status->code, 0) << status->errors << status->output;
  const nlohmann::json want =
      nlohmann::json::parse(ReadFileOrEmpty(command.model + "/losses.json"));
  const auto steps = command.Metrics();
  ASSERT_EQ(steps.size(), want.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    const double expected = want[i].get<double>();
    EXPECT_NEAR(steps[i]["loss"].get<double>(), expected, 2e-5 * (1 + expected))
        << "step " << i + 1;
  }
  EXPECT_TRUE(
      std::filesystem::exists(command.output + "/model/model.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(
    Deploy, ExamplesTest,
    ::testing::Values(Example{"linear_stack", "data.safetensors"},
                      Example{"classifier", "data.jsonl"},
                      Example{"masked_language_model", "data.jsonl"},
                      Example{"image_classifier", "data.safetensors"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ExampleDataTest, DataWithoutAColumnAreRefusedByName) {
  const TempDir folder;
  TrainCommand command = CommandFor({"classifier", "data.jsonl"}, folder);
  command.data = folder / "other.jsonl";
  std::ofstream(command.data) << R"({"labels": 1, "feature": [1, 2]})"
                              << "\n";
  auto status = RunCommand(command.Arguments(), kCommandTimeout);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->code, 2);
  EXPECT_THAT(status->errors + status->output,
              HasSubstr("there is no column \"features\""));
  EXPECT_FALSE(std::filesystem::exists(command.output));

  command.data = SourcePath("tests/golden/models/data/tokens_v256.bin");
  status = RunCommand(command.Arguments(), kCommandTimeout);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->code, 2);
  EXPECT_THAT(status->errors + status->output,
              HasSubstr("the model's inputs are features [10,6], labels []"));
}

}  // namespace
}  // namespace autotp::testing
