// Goal: whatever is wrong with the input, the user gets one clear message that
// names file and place, exit code 2, and no half-written output.
// Method: a table of mistakes, each made to a copy of a right input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "tests/integration/autotp_command.h"

namespace autotp::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

struct Mistake {
  std::string name;
  // Spoils the command; `folder` has a copy of the model in "model".
  std::function<void(const TempDir& folder, TrainCommand& command)> make;
  std::vector<std::string> expected;  // parts of the message
};

void Edit(const std::string& path, const std::string& from,
          const std::string& to) {
  std::string text = ReadFileOrEmpty(path);
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from << " is not in " << path;
  text.replace(at, from.size(), to);
  std::ofstream(path, std::ios::binary) << text;
}

std::vector<Mistake> Mistakes() {
  return {
      {"MissingModelFolder",
       [](const TempDir& folder, TrainCommand& c) {
         c.model = folder / "nowhere";
       },
       {"nowhere"}},
      {"UnknownModelType",
       [](const TempDir& folder, TrainCommand&) {
         Edit(folder / "model/config.json", "\"model_type\": \"llama\"",
              "\"model_type\": \"lama\"");
       },
       {"config.json", "lama", "llama"}},
      {"NoModelType",
       [](const TempDir& folder, TrainCommand&) {
         Edit(folder / "model/config.json", "\"model_type\": \"llama\",", "");
       },
       {"config.json", "model_type"}},
      {"TruncatedSafetensors",
       [](const TempDir& folder, TrainCommand&) {
         fs::resize_file(folder / "model/model.safetensors", 100000);
       },
       {"model.safetensors"}},
      {"OverlappingSafetensors",
       [](const TempDir& folder, TrainCommand&) {
         // The second tensor now begins inside the first.
         Edit(folder / "model/model.safetensors", "[65536,131072]",
              "[65532,131068]");
       },
       {"model.safetensors"}},
      {"WrongShape",
       [](const TempDir& folder, TrainCommand&) {
         Edit(folder / "model/config.json", "\"intermediate_size\": 72",
              "\"intermediate_size\": 80");
       },
       {"mlp", "72", "80"}},
      {"UnknownKey",
       [](const TempDir& folder, TrainCommand& c) {
         c.config = WriteConfig(folder, "ds.json", {{"gradient_cliping", 1}});
       },
       {"ds.json:", "gradient_cliping", "gradient_clipping"}},
      {"BatchDoesNotClose",
       [](const TempDir& folder, TrainCommand& c) {
         c.config = WriteConfig(folder, "ds.json", {{"train_batch_size", 7}});
       },
       {"ds.json:", "train_batch_size", "7"}},
      {"NotJson",
       [](const TempDir& folder, TrainCommand& c) {
         std::ofstream(c.config = folder / "ds.json") << "{\"a\": ]";
       },
       {"ds.json:1:"}},
      {"TokenOutsideTheVocabulary",
       [](const TempDir& folder, TrainCommand& c) {
         std::string tokens(32 * 64 * 2, '\0');
         tokens[2 * 100 + 1] = 4;  // token 100 is 1024
         std::ofstream(c.data = folder / "bad.bin", std::ios::binary) << tokens;
       },
       {"bad.bin", "1024", "256"}},
      {"DataTooShort",
       [](const TempDir& folder, TrainCommand& c) {
         std::ofstream(c.data = folder / "short.bin", std::ios::binary)
             << std::string(64, '\1');
       },
       {"short.bin"}},
      {"WorldNotDivisible",
       [](const TempDir&, TrainCommand& c) { c.slots = 3; },
       {"3", "autotp_size"}},
      {"UnwritableOutput",
       [](const TempDir&, TrainCommand& c) { c.output = "/proc/nowhere/out"; },
       {"/proc/nowhere"}},
  };
}

class BadInputTest : public ::testing::TestWithParam<Mistake> {};

TEST_P(BadInputTest, IsOneClearMessageAndExitCode2) {
  TempDir folder;
  fs::copy(SourcePath("tests/golden/models/llama/model"), folder / "model");
  TrainCommand command{.output = folder / "out",
                       .model = folder / "model",
                       .config = WriteConfig(folder, "right.json", {})};
  GetParam().make(folder, command);
  auto status = RunCommand(command.Arguments(), kCommandTimeout);
  ASSERT_TRUE(status.ok()) << status.status();
  const std::string said = status->output + status->errors;
  // What only the data's own bytes tell is found after the start.
  EXPECT_EQ(status->code,
            GetParam().name == "TokenOutsideTheVocabulary" ? 1 : 2)
      << said;
  for (const std::string& part : GetParam().expected) {
    EXPECT_THAT(said, HasSubstr(part));
  }
  for (const char* trace : {"Traceback", "terminate called", "c10::Error"}) {
    EXPECT_THAT(said, Not(HasSubstr(trace)));
  }
  EXPECT_FALSE(fs::exists(command.output + "/model"));
}

INSTANTIATE_TEST_SUITE_P(Mistakes, BadInputTest,
                         ::testing::ValuesIn(Mistakes()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace autotp::testing
