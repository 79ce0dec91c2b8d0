// Goal: rounding by chance is right on average, exact where it can be, and the
// same however a range is split.
#include "worker/zero/stochastic_rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "worker/zero/rounding.h"

namespace autotp::zero {
namespace {

using collective::ElementType;

constexpr ElementType kTypes[] = {ElementType::kBFloat16,
                                  ElementType::kFloat16};

std::vector<float> Rounded(ElementType type, const std::vector<float>& values,
                           uint64_t key = 5, int64_t first = 0) {
  std::vector<uint16_t> stored(values.size());
  const int64_t count = static_cast<int64_t>(values.size());
  RoundStochastically(key, first, count, values.data(), {stored.data(), type});
  std::vector<float> out(values.size());
  Widen(stored.data(), count, type, out.data());
  return out;
}

TEST(StochasticRoundingTest, HitsTheMeanAndOnlyTheNeighbours) {
  constexpr int kCount = 1 << 16;
  for (const ElementType type : kTypes) {
    // Normal numbers of both signs, and one below fp16's normal range.
    for (const float value : {1.0007f, -3.0031f, 0.01f, -1.7e-6f}) {
      const std::vector<float> got =
          Rounded(type, std::vector<float>(kCount, value));
      double sum = 0;
      float low = got[0];
      float high = got[0];
      for (const float number : got) {
        sum += number;
        low = std::min(low, number);
        high = std::max(high, number);
      }
      const double gap = static_cast<double>(high) - low;
      EXPECT_LE(low, value);
      EXPECT_GE(high, value);
      EXPECT_LE(gap, std::abs(value) * 0.0079 + 6e-8);
      // Five standard errors of a mean of coins.
      EXPECT_NEAR(sum / kCount, value, 5 * gap * 0.5 / std::sqrt(kCount));
    }
  }
}

TEST(StochasticRoundingTest, KeepsWhatIsRepresentable) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const ElementType type : kTypes) {
    const std::vector<float> values = {
        0.0f, -0.0f, 1.0f, -1.5f, 0x1p-14f, 0x1p-24f, kInfinity, -kInfinity};
    for (uint64_t key = 1; key < 50; ++key)
      EXPECT_EQ(Rounded(type, values, key), values);
    EXPECT_TRUE(std::isnan(
        Rounded(type, {std::numeric_limits<float>::quiet_NaN()})[0]));
  }
  EXPECT_EQ(Rounded(ElementType::kFloat16, {1e6f})[0], kInfinity);
}

TEST(StochasticRoundingTest, DependsOnPlaceAndKeyAlone) {
  for (const ElementType type : kTypes) {
    std::vector<float> values;
    for (int i = 0; i < 301; ++i)
      values.push_back(static_cast<float>(std::sin(i)));
    const std::vector<float> whole = Rounded(type, values, 9, 1000);
    std::vector<float> parts;
    for (int begin = 0; begin < 301; begin += 37) {
      const int end = std::min(301, begin + 37);
      for (const float number :
           Rounded(type, {values.begin() + begin, values.begin() + end}, 9,
                   1000 + begin))
        parts.push_back(number);
    }
    EXPECT_EQ(whole, parts);
    EXPECT_NE(whole, Rounded(type, values, 10, 1000));
    EXPECT_NE(whole, Rounded(type, values, 9, 1001));
  }
}

TEST(RoundingKeyTest, DiffersInEverything) {
  const uint64_t key = RoundingKey(1, "a", 0, 1);
  EXPECT_NE(key, RoundingKey(2, "a", 0, 1));
  EXPECT_NE(key, RoundingKey(1, "b", 0, 1));
  EXPECT_NE(key, RoundingKey(1, "a", 1, 1));
  EXPECT_NE(key, RoundingKey(1, "a", 0, 2));
  EXPECT_EQ(key, RoundingKey(1, "a", 0, 1));
}

}  // namespace
}  // namespace autotp::zero
