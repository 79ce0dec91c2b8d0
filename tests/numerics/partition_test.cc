// Goal: the worker runs a model's local programs to the loss and every gradient
// of its whole program.
// Method: all ranks in this process, on random data; the model's own weights.
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "coordinator/model/model.h"
#include "tests/support/compare_partition.h"
#include "tests/support/subprocess.h"

namespace autotp::testing {
namespace {

constexpr uint64_t kSeed = 3;
constexpr double kTolerance = 2e-5;  // of fp32 sums in another order

struct Shape {
  const char* folder;  // below tests/golden
  int64_t micro_batch;
  int64_t sequence_length;
  bool stored = true;  // else its weights are drawn
};

class PartitionTest : public ::testing::TestWithParam<std::tuple<Shape, int>> {
};

TEST_P(PartitionTest, RanksTogetherAreOneRank) {
  const auto& [shape, size] = GetParam();
  const auto model = model::LoadModel(
      {.path = SourcePath(std::string("tests/golden/") + shape.folder),
       .micro_batch = shape.micro_batch,
       .sequence_length = shape.sequence_length,
       .need_weights = shape.stored});
  ASSERT_TRUE(model.ok()) << model.status();
  const auto result = ComparePartition(*model, size, kSeed);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(result->difference.loss, kTolerance) << "seed " << kSeed;
  EXPECT_LT(result->difference.gradient, kTolerance)
      << result->difference.parameter << ", seed " << kSeed;
  EXPECT_GT(result->cut, 0.2) << "little to compare";
  EXPECT_GT(result->loss, 0);
}

std::string NameOf(
    const ::testing::TestParamInfo<std::tuple<Shape, int>>& info) {
  std::string name = std::get<0>(info.param).folder;
  for (char& c : name) c = c == '/' ? '_' : c;
  return name + "_tp" + std::to_string(std::get<1>(info.param));
}

// Experts that stay ATen operations, of a width that the ranks don't divide.
INSTANTIATE_TEST_SUITE_P(Imported, PartitionTest,
                         ::testing::Combine(::testing::Values(Shape{
                                                "imported/gpt_oss", 2, 16,
                                                /*stored=*/false}),
                                            ::testing::Values(2, 3)),
                         NameOf);

INSTANTIATE_TEST_SUITE_P(
    Native, PartitionTest,
    ::testing::Combine(::testing::Values(Shape{"models/llama/model", 2, 16},
                                         Shape{"models/gpt2/model", 2, 16},
                                         Shape{"models/bloom/model", 2, 16}),
                       ::testing::Values(2, 3)),
    NameOf);

}  // namespace
}  // namespace autotp::testing
