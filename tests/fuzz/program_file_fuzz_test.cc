// Goal: whatever lies where a program file should, the answer is a program
// that can be raised, checked, cut and run, or a finding.
// Method: mutations of the program files of tests/golden/imported, of their
// bytes or of their trees, taken as far as they go; a share of those that are
// cut for two ranks is run as a worker would.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "coordinator/model/exported/program_file.h"
#include "coordinator/model/exported/raise.h"
#include "coordinator/model/finding.h"
#include "coordinator/partition/partition.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json_edits.h"
#include "tests/fuzz/run_program.h"
#include "tests/support/echo_group.h"
#include "tests/support/golden.h"

namespace autotp::model {
namespace {

using nlohmann::json;

constexpr ProgramSizes kSizes = {4, 12};
constexpr int kRanks = 2;
// Beyond it a mutated program would only be slow.
constexpr size_t kMostNodes = 4000;

std::string ReadFile(const std::string& name) {
  std::ifstream file(testing::GoldenPath("imported/" + name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

// Bytes that a tree would never be written as.
testing::FuzzOptions ByteOptions(std::vector<std::string> corpus) {
  testing::FuzzOptions options;
  options.corpus = std::move(corpus);
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
                    "\"alibi_table\"",
                    "\"float\"",
                    "\"bool\"",
                    "\"index\"",
                    "{\"number\":\"nan\"}"};
  return options;
}

const std::vector<json>& Values() {
  static const auto* const values =
      new std::vector<json>{-1,
                            0,
                            1,
                            3,
                            1e308,
                            nullptr,
                            true,
                            "",
                            json::object({{"B", 1}}),
                            json::object({{"T", 1}}),
                            json::object({{"T", -1}}),
                            json::object({{"BT", 1}, {"1", -1}}),
                            int64_t{1} << 31,
                            int64_t{1} << 41,
                            std::numeric_limits<int64_t>::max(),
                            std::numeric_limits<int64_t>::min(),
                            json::array(),
                            json::array({2, 16, 64}),
                            json::object({{"number", "nan"}}),
                            "float",
                            "float32",
                            "bool",
                            "index",
                            "aten.mul.Tensor",
                            "aten.add.Tensor",
                            "aten.view.default",
                            "aten.expand.default",
                            "aten.slice.Tensor",
                            "aten.permute.default",
                            "aten.softmax.int",
                            "aten.linear.default",
                            "aten.embedding.default",
                            "aten.scaled_dot_product_attention.default",
                            "aten.cross_entropy_loss.default",
                            "aten.from_file.default",
                            "rotary_table",
                            "alibi_table",
                            "experts"};
  return *values;
}

struct Outcome {
  int read = 0;
  int cut = 0;
  int run = 0;
};

void ReadCutAndRun(const std::string& text, Outcome& outcome) {
  absl::StatusOr<ProgramFile> file =
      ParseProgramFile("fuzz.json", text, kSizes);
  if (!file.ok()) {
    EXPECT_FALSE(ToDiagnostic(file.status()).reason().empty());
    EXPECT_LT(file.status().message().size(), 4000u);
    return;
  }
  ++outcome.read;
  const absl::StatusOr<program::Program> raised = Raise(file->program);
  if (!raised.ok()) return;
  const absl::Status checked = CheckProgram(*raised);
  if (!checked.ok() || raised->nodes.size() > kMostNodes) return;
  const auto cut =
      partition::Partition(*raised, {.tensor_parallel_size = kRanks,
                                     .sequence_parallel = text.size() % 8 < 2});
  if (!cut.ok()) return;
  ++outcome.cut;
  for (const program::Program& local : cut->locals) {
    const absl::Status status = CheckProgram(local);
    EXPECT_TRUE(status.ok()) << status;
  }
  const int rank = static_cast<int>(text.size() % 16);
  if (rank >= kRanks) return;  // not of the share
  testing::EchoGroup group(rank, kRanks);
  outcome.run += testing::CompileAndRun(ToProto(cut->locals[rank]), &group).ran;
}

TEST(ProgramFileFuzzTest, AnyFileEndsInAnAnswer) {
  std::vector<std::string> corpus;
  std::vector<json> trees;
  for (const char* name :
       {"llama.json", "mixtral.json", "falcon.json", "gpt2.json", "bloom.json",
        "cohere.json", "falcon_rw.json", "gpt_neox.json",
        "stablelm_parallel.json", "opt.json",
        "masked_language_model/autotp_program.json",
        "classifier/autotp_program.json", "linear_stack/autotp_program.json"}) {
    corpus.push_back(ReadFile(name));
    trees.push_back(json::parse(corpus.back()));
  }
  const testing::FuzzOptions bytes = ByteOptions(corpus);
  testing::FuzzOptions options;
  options.rounds = 1500;
  options.make = [&](std::mt19937_64& random) {
    if (random() % 4 == 0) return testing::Mutated(bytes, random);
    // Of two the smaller one: it is done sooner.
    json tree =
        trees[std::max(random() % trees.size(), random() % trees.size())];
    for (uint64_t edits = 1 + random() % 3; edits > 0; --edits)
      testing::EditJson(Values(), tree, random);
    return tree.dump();
  };
  Outcome outcome;
  testing::Fuzz(options, [&outcome](const std::string& text) {
    ReadCutAndRun(text, outcome);
  });
  RecordProperty("read", outcome.read);
  RecordProperty("cut", outcome.cut);
  RecordProperty("run", outcome.run);
  EXPECT_GT(outcome.read, 300);
  EXPECT_GT(outcome.cut, 200);
  EXPECT_GT(outcome.run, 5);
}

}  // namespace
}  // namespace autotp::model
