// Goal: whatever bytes lie where a program file should, the answer is a
// program that can be raised, checked and cut, or a finding.
// Method: mutations of the program files of tests/golden/imported.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "coordinator/model/exported/program_file.h"
#include "coordinator/model/exported/raise.h"
#include "coordinator/model/finding.h"
#include "coordinator/partition/partition.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/golden.h"

namespace autotp::model {
namespace {

constexpr ProgramSizes kSizes = {2, 32};
// Beyond it a mutated program would only be slow.
constexpr size_t kMostNodes = 4000;

testing::FuzzOptions Options() {
  testing::FuzzOptions options;
  options.rounds = 1500;
  for (const char* name : {"llama", "gpt2", "falcon", "mixtral"}) {
    std::ifstream file(
        testing::GoldenPath(std::string("imported/") + name + ".json"),
        std::ios::binary);
    options.corpus.emplace_back(std::istreambuf_iterator<char>(file),
                                std::istreambuf_iterator<char>());
  }
  options.tokens = {"{",
                    "}",
                    "[",
                    "]",
                    ",",
                    "-1",
                    "0",
                    "1e308",
                    "null",
                    "true",
                    "\"\"",
                    "{\"B\":1}",
                    "{\"T\":1}",
                    "{\"BT\":-1}",
                    "9223372036854775807",
                    "[2,16,64]",
                    "\"aten.mul.Tensor\"",
                    "\"experts\"",
                    "\"float\"",
                    "\"bool\"",
                    "\"index\"",
                    "{\"number\":\"nan\"}"};
  return options;
}

void ReadAndCut(const std::string& text) {
  absl::StatusOr<ProgramFile> file =
      ParseProgramFile("fuzz.json", text, kSizes);
  if (!file.ok()) {
    EXPECT_FALSE(ToDiagnostic(file.status()).reason().empty());
    EXPECT_LT(file.status().message().size(), 4000u);
    return;
  }
  const absl::StatusOr<program::Program> raised = Raise(file->program);
  if (!raised.ok()) return;
  const absl::Status checked = CheckProgram(*raised);
  if (!checked.ok() || raised->nodes.size() > kMostNodes) return;
  const auto cut = partition::Partition(*raised, {.tensor_parallel_size = 2});
  if (!cut.ok()) return;
  for (const program::Program& local : cut->locals) {
    const absl::Status status = CheckProgram(local);
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(ProgramFileFuzzTest, AnyBytesEndInAnAnswer) {
  testing::Fuzz(Options(), ReadAndCut);
}

}  // namespace
}  // namespace autotp::model
