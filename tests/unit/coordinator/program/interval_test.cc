#include "coordinator/program/interval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autotp::program {
namespace {

using ::testing::ElementsAre;

TEST(IntervalTest, NormalizeSortsJoinsAndDrops) {
  EXPECT_EQ(Normalize({{8, 10}, {4, 4}, {0, 3}, {3, 5}, {9, 12}}),
            (Intervals{{0, 5}, {8, 12}}));
  EXPECT_EQ(Normalize({}), Intervals{});
}

TEST(IntervalTest, LengthCountsPositions) {
  EXPECT_EQ(Length({{0, 5}, {8, 12}}), 9);
  EXPECT_EQ(Length({}), 0);
}

TEST(IntervalTest, EncodesAndDecodes) {
  const Intervals intervals = {{0, 5}, {8, 12}};
  EXPECT_THAT(Encode(intervals), ElementsAre(0, 5, 8, 12));
  EXPECT_EQ(*Decode(Encode(intervals)), intervals);
  EXPECT_FALSE(Decode({1, 2, 3}).ok());
  EXPECT_FALSE(Decode({4, 3}).ok());
  EXPECT_FALSE(Decode({-1, 3}).ok());
}

TEST(IntervalTest, EncodesAndDecodesRanks) {
  const std::vector<Intervals> ranks = {{{0, 2}, {6, 8}}, {}, {{2, 6}}};
  EXPECT_THAT(EncodeRanks(ranks), ElementsAre(2, 0, 2, 6, 8, 0, 1, 2, 6));
  EXPECT_EQ(*DecodeRanks(EncodeRanks(ranks)), ranks);
  EXPECT_FALSE(DecodeRanks({2, 0, 2}).ok());
  EXPECT_FALSE(DecodeRanks({-1}).ok());
  EXPECT_FALSE(DecodeRanks({int64_t{1} << 62, 0, 1}).ok());
}

}  // namespace
}  // namespace autotp::program
