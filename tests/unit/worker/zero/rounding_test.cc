// Goal: numbers are stored as the nearest that their type has.
#include "worker/zero/rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace autotp::zero {
namespace {

using collective::ElementType;

uint16_t Rounded(float value, ElementType type) {
  uint16_t out = 0;
  Round(&value, 1, type, &out);
  return out;
}

TEST(Rounding, BFloat16GoesToTheNearestAndToEven) {
  constexpr ElementType kType = ElementType::kBFloat16;
  EXPECT_EQ(Rounded(1.0f, kType), 0x3f80);
  EXPECT_EQ(Rounded(-2.0f, kType), 0xc000);
  EXPECT_EQ(Rounded(1.00390625f, kType), 0x3f80);  // half: the even one below
  EXPECT_EQ(Rounded(1.01171875f, kType), 0x3f82);  // half: the even one above
  EXPECT_EQ(Rounded(1.0040f, kType), 0x3f81);
  EXPECT_EQ(Rounded(std::numeric_limits<float>::max(), kType), 0x7f80);
  EXPECT_EQ(Rounded(INFINITY, kType), 0x7f80);
  EXPECT_EQ(Rounded(NAN, kType) & 0x7fc0, 0x7fc0);
}

TEST(Rounding, Float16GoesToTheNearestAndToEven) {
  constexpr ElementType kType = ElementType::kFloat16;
  EXPECT_EQ(Rounded(1.0f, kType), 0x3c00);
  EXPECT_EQ(Rounded(-2.0f, kType), 0xc000);
  EXPECT_EQ(Rounded(1.00048828125f, kType), 0x3c00);  // half: to even
  EXPECT_EQ(Rounded(1.00146484375f, kType), 0x3c02);
  EXPECT_EQ(Rounded(65504.0f, kType), 0x7bff);
  EXPECT_EQ(Rounded(65519.0f, kType), 0x7bff);
  EXPECT_EQ(Rounded(65520.0f, kType), 0x7c00);  // infinite
  EXPECT_EQ(Rounded(-INFINITY, kType), 0xfc00);
  EXPECT_EQ(Rounded(0x1p-24f, kType), 0x0001);  // the smallest
  EXPECT_EQ(Rounded(0x1p-25f, kType), 0x0000);  // half of it: to even
  EXPECT_EQ(Rounded(NAN, kType) & 0x7e00, 0x7e00);
}

TEST(Rounding, WidensEveryPatternToWhatRoundsBackToIt) {
  for (const ElementType type :
       {ElementType::kBFloat16, ElementType::kFloat16}) {
    std::vector<uint16_t> patterns;
    for (int i = 0; i <= 0xffff; ++i)
      patterns.push_back(static_cast<uint16_t>(i));
    std::vector<float> wide(patterns.size());
    std::vector<uint16_t> back(patterns.size());
    const auto count = static_cast<int64_t>(patterns.size());
    Widen(patterns.data(), count, type, wide.data());
    Round(wide.data(), count, type, back.data());
    for (size_t i = 0; i < patterns.size(); ++i) {
      if (std::isnan(wide[i])) continue;
      ASSERT_EQ(back[i], patterns[i]) << wide[i];
    }
  }
}

TEST(Rounding, AddsInFloatAndRoundsOnce) {
  const std::vector<float> added = {1.0f, 0x1p-9f, 3.0f};
  std::vector<uint16_t> sums = {0x3f80, 0x3f80, 0xc000};  // 1, 1, -2
  Accumulate(added.data(), ElementType::kFloat32, 3, sums.data(),
             ElementType::kBFloat16);
  EXPECT_EQ(sums, (std::vector<uint16_t>{0x4000, 0x3f80, 0x3f80}));
  std::vector<float> floats = {1.0f, 1.0f, -2.0f};
  Accumulate(sums.data(), ElementType::kBFloat16, 3, floats.data(),
             ElementType::kFloat32);
  EXPECT_EQ(floats, (std::vector<float>{3.0f, 2.0f, -1.0f}));
}

TEST(Rounding, ConvertsBetweenTheTwoHalves) {
  // Longer than what is converted at a time.
  const std::vector<uint16_t> ones(3000, 0x3f80);
  std::vector<uint16_t> converted(ones.size());
  Convert(ones.data(), ElementType::kBFloat16, 3000, converted.data(),
          ElementType::kFloat16);
  EXPECT_EQ(converted, std::vector<uint16_t>(3000, 0x3c00));
  Accumulate(ones.data(), ElementType::kBFloat16, 3000, converted.data(),
             ElementType::kFloat16);
  EXPECT_EQ(converted, std::vector<uint16_t>(3000, 0x4000));
}

}  // namespace
}  // namespace autotp::zero
