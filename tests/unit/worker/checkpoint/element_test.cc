// Goal: conversions are exact where they can be and round to nearest even
// where they can't.
// Method: every 16-bit pattern there and back; ties and edges by hand; each
// rounding against the two neighbours of the value.
#include "worker/checkpoint/element.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace autotp::checkpoint {
namespace {

float Widen(uint16_t half, Element element) {
  float value;
  ToFloat(&half, 1, element, &value);
  return value;
}

uint16_t Narrow(float value, Element element) {
  uint16_t half;
  FromFloat(&value, 1, element, &half);
  return half;
}

class HalfTest : public ::testing::TestWithParam<Element> {};

TEST_P(HalfTest, BringsEveryPatternBack) {
  for (int pattern = 0; pattern <= 0xFFFF; ++pattern) {
    const float value = Widen(pattern, GetParam());
    const uint16_t back = Narrow(value, GetParam());
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(Widen(back, GetParam()))) << pattern;
    } else {
      ASSERT_EQ(back, pattern) << value;
    }
  }
}

TEST_P(HalfTest, RoundsToTheNearestAndTiesToEven) {
  constexpr uint64_t kSeed = 5;
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 200000; ++i) {
    // Patterns of all magnitudes, and exact ties between two neighbours.
    const uint16_t pattern = random() % 0x7B00;
    const double low = Widen(pattern, GetParam());
    const double high = Widen(pattern + 1, GetParam());
    if (std::isinf(high) || std::isnan(high)) continue;
    const double part = (random() % 5) / 4.0;
    const float value = static_cast<float>(low + (high - low) * part);
    const uint16_t got = Narrow(value, GetParam());
    const double below = value - low;
    const double above = high - value;
    const uint16_t expected = below < above   ? pattern
                              : above < below ? pattern + 1
                                              : pattern + (pattern & 1);
    ASSERT_EQ(got, expected) << "seed " << kSeed << " value " << value;
    ASSERT_EQ(Narrow(-value, GetParam()), expected | 0x8000) << value;
  }
}

INSTANTIATE_TEST_SUITE_P(Elements, HalfTest,
                         ::testing::Values(Element::kBFloat16,
                                           Element::kFloat16));

TEST(ElementTest, MakesTooLargeNumbersInfinite) {
  EXPECT_EQ(Narrow(65519.0f, Element::kFloat16), 0x7BFF);
  EXPECT_EQ(Narrow(65520.0f, Element::kFloat16), 0x7C00);
  EXPECT_EQ(Narrow(-1e30f, Element::kFloat16), 0xFC00);
  EXPECT_EQ(Narrow(std::numeric_limits<float>::max(), Element::kBFloat16),
            0x7F80);
}

TEST(ElementTest, KnowsWhatWeightsAreStoredIn) {
  EXPECT_EQ(ElementOf(v1::DATA_TYPE_BFLOAT16).value(), Element::kBFloat16);
  EXPECT_FALSE(ElementOf(v1::DATA_TYPE_INT64).ok());
}

}  // namespace
}  // namespace autotp::checkpoint
