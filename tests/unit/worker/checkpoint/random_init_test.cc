// Goal: the same weights for every layout, and the distribution asked for.
// Method: the whole tensor against its slices; moments of many numbers.
#include "worker/checkpoint/random_init.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "worker/checkpoint/slice.h"

namespace autotp::checkpoint {
namespace {

v1::Parameter Normal(const std::string& name, const Shape& shape) {
  v1::Parameter parameter;
  parameter.set_name(name);
  for (const int64_t length : shape) parameter.add_shape(length);
  parameter.set_cut_dim(-1);
  parameter.mutable_initialization()->set_kind(v1::Initialization::KIND_NORMAL);
  parameter.mutable_initialization()->set_standard_deviation(0.5);
  return parameter;
}

std::vector<float> Draw(const v1::Parameter& parameter, uint64_t seed) {
  std::vector<float> values(
      ElementCount(ShapeOf(parameter), SliceOf(parameter)));
  EXPECT_TRUE(DrawParameter(parameter, seed, values.data()).ok());
  return values;
}

TEST(DrawParameterTest, GivesEachSliceItsPartOfTheWhole) {
  const v1::Parameter whole = Normal("w", {7, 9});
  const std::vector<float> expected = Draw(whole, 3);
  for (const int dim : {0, 1}) {
    v1::Parameter slice = whole;
    slice.set_cut_dim(dim);
    for (const Range range : {Range{1, 3}, Range{4, 7}}) {
      v1::Interval* interval = slice.add_intervals();
      interval->set_begin(range.begin);
      interval->set_end(range.end);
    }
    const std::vector<float> values = Draw(slice, 3);
    size_t at = 0;
    for (int row = 0; row < 7; ++row) {
      for (int column = 0; column < 9; ++column) {
        const int position = dim == 0 ? row : column;
        if (position < 1 || position == 3 || position >= 7) continue;
        ASSERT_EQ(values[at++], expected[row * 9 + column])
            << dim << ": " << row << ", " << column;
      }
    }
    EXPECT_EQ(at, values.size());
  }
}

TEST(DrawParameterTest, DependsOnSeedAndName) {
  const std::vector<float> a = Draw(Normal("a", {16}), 1);
  EXPECT_EQ(Draw(Normal("a", {16}), 1), a);
  EXPECT_NE(Draw(Normal("b", {16}), 1), a);
  EXPECT_NE(Draw(Normal("a", {16}), 2), a);
}

TEST(DrawParameterTest, LeavesThePaddingRowAtZero) {
  v1::Parameter parameter = Normal("w", {4, 3});
  parameter.mutable_initialization()->set_zero_row(2 + 1);
  parameter.set_cut_dim(0);
  parameter.add_intervals()->set_begin(1);
  parameter.mutable_intervals(0)->set_end(4);
  const std::vector<float> values = Draw(parameter, 1);
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(values[i] == 0.0f, i / 3 == 1) << i;
}

TEST(DrawNormalTest, HasTheMomentsOfTheNormalDistribution) {
  constexpr int kCount = 1 << 18;
  std::vector<float> values(kCount);
  DrawNormal(11, "w", 0, kCount, values.data());
  double mean = 0, square = 0, fourth = 0, neighbours = 0;
  for (int i = 0; i < kCount; ++i) {
    mean += values[i];
    square += values[i] * values[i];
    fourth += std::pow(values[i], 4);
    neighbours += values[i] * values[i ^ 1];
    ASSERT_TRUE(std::isfinite(values[i]));
  }
  // Five standard deviations of each estimate at 2^18 numbers.
  EXPECT_NEAR(mean / kCount, 0, 0.01);
  EXPECT_NEAR(square / kCount, 1, 0.014);
  EXPECT_NEAR(fourth / kCount, 3, 0.1);
  EXPECT_NEAR(neighbours / kCount, 0, 0.014);
}

TEST(DrawNormalTest, IsTheSameFromAnyStart) {
  std::vector<float> whole(40), part(21);
  DrawNormal(1, "w", 5, 40, whole.data());
  DrawNormal(1, "w", 12, 21, part.data());
  for (int i = 0; i < 21; ++i) EXPECT_EQ(part[i], whole[i + 7]) << i;
}

}  // namespace
}  // namespace autotp::checkpoint
