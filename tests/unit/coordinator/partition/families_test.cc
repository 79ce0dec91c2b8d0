// Goal: every family is cut without a gather, with as many exchanges as
// written down, and computes what one rank computes: loss and every gradient.
// Method: the models of tests/golden/models are loaded and partitioned; all
// ranks run in double precision and are compared with the whole program.
#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/model/model.h"
#include "coordinator/partition/partition.h"
#include "gtest/gtest.h"
#include "tests/support/golden.h"
#include "tests/support/program_interpreter.h"
#include "tests/support/subprocess.h"

namespace autotp::partition {
namespace {

using program::Operation;
using program::Program;

constexpr double kTolerance = 1e-9;
// Beyond the windows of the models.
constexpr int64_t kTokens = 14;
constexpr int64_t kVocabulary = 256;

std::vector<std::string> Fixtures() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(
           autotp::testing::SourcePath("tests/golden/models"))) {
    if (std::filesystem::exists(entry.path() / "model"))
      names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

model::LoadedModel Load(const std::string& name) {
  absl::StatusOr<model::LoadedModel> loaded =
      model::LoadModel({.path = autotp::testing::SourcePath(absl::StrCat(
                            "tests/golden/models/", name, "/model")),
                        .micro_batch = 1,
                        .sequence_length = kTokens});
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? *std::move(loaded) : model::LoadedModel{};
}

int Count(const Partitioned& result, Operation operation) {
  return static_cast<int>(std::count_if(
      result.collectives.begin(), result.collectives.end(),
      [&](const CollectiveUse& use) { return use.operation == operation; }));
}

class FamiliesTest : public ::testing::TestWithParam<std::string> {};

TEST_P(FamiliesTest, RanksComputeWhatOneDoes) {
  const Program program = Load(GetParam()).program;
  ASSERT_FALSE(program.parameters.empty());
  for (int ranks : {2, 3, 4}) {
    SCOPED_TRACE(ranks);
    const absl::StatusOr<Partitioned> result =
        Partition(program, {.tensor_parallel_size = ranks});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(Count(*result, Operation::kAllGather), 0);
    const absl::Status status = autotp::testing::CompareWithWhole(
        program, result->locals, autotp::testing::RandomParameters(program, 7),
        autotp::testing::RandomInputs(program, kVocabulary, 8), kTolerance);
    EXPECT_TRUE(status.ok()) << status;
  }
}

// The tokens are no multiple of the ranks.
TEST_P(FamiliesTest, RanksThatCutTokensComputeWhatOneDoes) {
  const Program program = Load(GetParam()).program;
  ASSERT_FALSE(program.parameters.empty());
  for (int ranks : {2, 3, 4}) {
    SCOPED_TRACE(ranks);
    const absl::StatusOr<Partitioned> result = Partition(
        program, {.tensor_parallel_size = ranks, .sequence_parallel = true});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_GT(Count(*result, Operation::kReduceScatter), 0);
    const absl::Status status = autotp::testing::CompareWithWhole(
        program, result->locals, autotp::testing::RandomParameters(program, 7),
        autotp::testing::RandomInputs(program, kVocabulary, 8), kTolerance);
    EXPECT_TRUE(status.ok()) << status;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, FamiliesTest,
                         ::testing::ValuesIn(Fixtures()),
                         [](const auto& tested) { return tested.param; });

TEST(FamilyPlansTest, EveryFamilyHasAFixture) {
  std::set<std::string> types;
  for (const std::string& name : Fixtures())
    types.insert(Load(name).model_type);
  for (const std::string& type : model::KnownModelTypes())
    EXPECT_TRUE(types.contains(type)) << type;
}

int PartialGradients(const Partitioned& result) {
  const std::vector<program::Parameter>& parameters =
      result.locals[0].parameters;
  return static_cast<int>(std::count_if(
      parameters.begin(), parameters.end(),
      [](const program::Parameter& p) { return p.partial_gradient; }));
}

// What the ranks exchange in one forward and backward of two layers.
TEST(FamilyPlansTest, CollectivesAreTheseAtTwoRanks) {
  std::string table =
      absl::StrFormat("%-20s %10s %6s %7s %5s %8s\n", "model", "all-reduce",
                      "copy", "gather", "norm", "partial");
  for (const std::string& name : Fixtures()) {
    const Program program = Load(name).program;
    const absl::StatusOr<Partitioned> result =
        Partition(program, {.tensor_parallel_size = 2});
    ASSERT_TRUE(result.ok()) << result.status();
    absl::StrAppendFormat(
        &table, "%-20s %10d %6d %7d %5d %8d\n", name,
        Count(*result, Operation::kAllReduce), Count(*result, Operation::kCopy),
        Count(*result, Operation::kAllGather),
        Count(*result, Operation::kRmsNorm), PartialGradients(*result));
  }
  autotp::testing::ExpectGolden("programs/collectives.txt", table);
}

int Count(const Partitioned& result, Operation operation, bool backward) {
  return static_cast<int>(std::count_if(
      result.collectives.begin(), result.collectives.end(),
      [&](const CollectiveUse& use) {
        return use.operation == operation && use.backward == backward;
      }));
}

// The same with tokens cut: a reduce-scatter where there was an all-reduce, a
// gather where there was a copy, and the mirror image in the backward.
TEST(FamilyPlansTest, CollectivesAreTheseAtTwoRanksThatCutTokens) {
  std::string table = absl::StrFormat(
      "%-20s %7s %7s %9s %9s %10s %6s %5s %8s\n", "model", "scatter", "gather",
      "b-scatter", "b-gather", "all-reduce", "copy", "norm", "partial");
  for (const std::string& name : Fixtures()) {
    const Program program = Load(name).program;
    const absl::StatusOr<Partitioned> result = Partition(
        program, {.tensor_parallel_size = 2, .sequence_parallel = true});
    ASSERT_TRUE(result.ok()) << result.status();
    absl::StrAppendFormat(
        &table, "%-20s %7d %7d %9d %9d %10d %6d %5d %8d\n", name,
        Count(*result, Operation::kReduceScatter, /*backward=*/false),
        Count(*result, Operation::kAllGather, /*backward=*/false),
        Count(*result, Operation::kReduceScatter, /*backward=*/true),
        Count(*result, Operation::kAllGather, /*backward=*/true),
        Count(*result, Operation::kAllReduce), Count(*result, Operation::kCopy),
        Count(*result, Operation::kRmsNorm), PartialGradients(*result));
  }
  autotp::testing::ExpectGolden("programs/token_collectives.txt", table);
}

}  // namespace
}  // namespace autotp::partition
