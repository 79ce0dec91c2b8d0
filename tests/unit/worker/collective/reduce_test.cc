#include "worker/collective/reduce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace autotp::collective {
namespace {

using testing::ElementsAre;

template <typename T>
std::vector<T> Reduced(ElementType type, Reduction op,
                       const std::vector<std::vector<T>>& inputs) {
  std::vector<const void*> pointers;
  for (const auto& input : inputs) pointers.push_back(input.data());
  std::vector<T> output(inputs[0].size());
  Reduce(type, op, pointers.data(), static_cast<int>(inputs.size()),
         static_cast<int64_t>(output.size()), output.data());
  return output;
}

TEST(ReduceTest, SumsAndMaximaOfEveryCount) {
  for (int inputs : {1, 2, 3, 5}) {
    for (int64_t count : {0, 1, 7, 1024, 1025, 3001}) {
      std::vector<std::vector<int64_t>> data(inputs);
      for (int k = 0; k < inputs; ++k) {
        for (int64_t i = 0; i < count; ++i) {
          data[k].push_back((k * 37 + i * 11) % 101 - 50);
        }
      }
      const auto sum = Reduced(ElementType::kInt64, Reduction::kSum, data);
      const auto max = Reduced(ElementType::kInt64, Reduction::kMax, data);
      for (int64_t i = 0; i < count; ++i) {
        int64_t want_sum = 0, want_max = data[0][i];
        for (int k = 0; k < inputs; ++k) {
          want_sum += data[k][i];
          want_max = std::max(want_max, data[k][i]);
        }
        ASSERT_EQ(sum[i], want_sum) << inputs << " x " << count << " at " << i;
        ASSERT_EQ(max[i], want_max) << inputs << " x " << count << " at " << i;
      }
    }
  }
}

TEST(ReduceTest, OutputMayBeAnyInput) {
  for (int target : {0, 1, 2}) {
    std::vector<std::vector<double>> data(3, std::vector<double>(2000));
    for (int k = 0; k < 3; ++k) {
      for (int i = 0; i < 2000; ++i) data[k][i] = k * 10000 + i;
    }
    const void* pointers[] = {data[0].data(), data[1].data(), data[2].data()};
    Reduce(ElementType::kFloat64, Reduction::kSum, pointers, 3, 2000,
           data[target].data());
    for (int i = 0; i < 2000; ++i) {
      ASSERT_EQ(data[target][i], 30000 + 3 * i) << target << " at " << i;
    }
  }
}

TEST(ReduceTest, NanWinsEveryMaximum) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto max =
      Reduced<float>(ElementType::kFloat32, Reduction::kMax,
                     {{nan, 1, 1, -3}, {1, nan, 2, -2}, {2, 2, nan, -5}});
  EXPECT_TRUE(std::isnan(max[0]) && std::isnan(max[1]) && std::isnan(max[2]));
  EXPECT_EQ(max[3], -2);
}

TEST(ReduceTest, RoundsBFloat16ToNearestEven) {
  // 1 + 2^-8 lies between 1 and 1 + 2^-7; a little more rounds up.
  const auto sum =
      Reduced<uint16_t>(ElementType::kBFloat16, Reduction::kSum,
                        {{0x3f80, 0x3f81, 0x3f80, 0x7f80, 0x7fc1, 0x7f7f},
                         {0x3b80, 0x3b80, 0x3b81, 0x3f80, 0x3f80, 0x7f7f}});
  EXPECT_THAT(sum, ElementsAre(0x3f80, 0x3f82, 0x3f81, 0x7f80, 0x7fc0, 0x7f80));
}

TEST(ReduceTest, ConvertsFloat16OfEveryRange) {
  const auto sum = Reduced<uint16_t>(
      ElementType::kFloat16, Reduction::kSum,
      // subnormals; into the normals; to infinity; below it; NaN; signed zero
      {{0x0001, 0x03ff, 0x7bff, 0x7bff, 0x7e01, 0x8000, 0xfc00, 0x3c00},
       {0x0002, 0x0001, 0x4c00, 0x4bff, 0x3c00, 0x8000, 0x3c00, 0x1000}});
  EXPECT_THAT(sum, ElementsAre(0x0003, 0x0400, 0x7c00, 0x7bff, 0x7e00, 0x8000,
                               0xfc00, 0x3c00));
}

TEST(ReduceTest, EveryFloat16SurvivesTheWayThroughFloat32) {
  std::vector<uint16_t> all;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bool nan = (bits & 0x7fff) > 0x7c00;
    if (!nan) all.push_back(static_cast<uint16_t>(bits));
  }
  EXPECT_EQ(Reduced<uint16_t>(ElementType::kFloat16, Reduction::kSum, {all}),
            all);
}

}  // namespace
}  // namespace autotp::collective
