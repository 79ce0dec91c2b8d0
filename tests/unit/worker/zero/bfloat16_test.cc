#include "worker/zero/bfloat16.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace autotp::zero {
namespace {

uint16_t Rounded(float value) {
  uint16_t out = 0;
  RoundToBFloat16(&value, 1, &out);
  return out;
}

TEST(RoundToBFloat16, GoesToTheNearestAndToEven) {
  EXPECT_EQ(Rounded(1.0f), 0x3f80);
  EXPECT_EQ(Rounded(-2.0f), 0xc000);
  EXPECT_EQ(Rounded(1.00390625f), 0x3f80);  // half: the even one below
  EXPECT_EQ(Rounded(1.01171875f), 0x3f82);  // half: the even one above
  EXPECT_EQ(Rounded(1.0040f), 0x3f81);
  EXPECT_EQ(Rounded(std::numeric_limits<float>::max()), 0x7f80);  // overflow
  EXPECT_EQ(Rounded(INFINITY), 0x7f80);
  EXPECT_EQ(Rounded(NAN) & 0x7fc0, 0x7fc0);
}

}  // namespace
}  // namespace autotp::zero
