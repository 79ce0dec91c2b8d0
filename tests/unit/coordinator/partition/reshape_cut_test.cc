#include "coordinator/partition/reshape_cut.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace autotp::partition {
namespace {

using program::Intervals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ReshapeGroupsTest, LeavesOutOnesAndClosesGroupsEarly) {
  const auto groups = ReshapeGroups({2, 1, 3, 8, 5}, {6, 2, 1, 4, 5});
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_THAT(groups[0].from, ElementsAre(0, 2));
  EXPECT_THAT(groups[0].to, ElementsAre(0));
  EXPECT_THAT(groups[1].from, ElementsAre(3));
  EXPECT_THAT(groups[1].to, ElementsAre(1, 3));
  EXPECT_THAT(groups[2].to, ElementsAre(4));
}

DimCut CutOf(int dim, RankIntervals ranks) {
  return {dim, MakeRanks(std::move(ranks))};
}

TEST(MoveThroughReshapeTest, ColumnsBecomeHeadsAndBack) {
  const auto heads = MoveThroughReshape({2, 5, 12}, {2, 5, 3, 4},
                                        CutOf(2, {{{0, 8}}, {{8, 12}}}));
  ASSERT_TRUE(heads.has_value());
  EXPECT_EQ(heads->dim, 2);
  EXPECT_THAT(*heads->ranks, ElementsAre(Intervals{{0, 2}}, Intervals{{2, 3}}));
  const auto back = MoveThroughReshape({2, 5, 3, 4}, {2, 5, 12}, *heads);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->dim, 2);
  EXPECT_THAT(*back->ranks, ElementsAre(Intervals{{0, 8}}, Intervals{{8, 12}}));
}

TEST(MoveThroughReshapeTest, BlocksOfAFusedDimensionMoveInside) {
  const auto moved = MoveThroughReshape(
      {12}, {3, 4},
      CutOf(0, {{{0, 2}, {4, 6}, {8, 10}}, {{2, 4}, {6, 8}, {10, 12}}}));
  ASSERT_TRUE(moved.has_value());
  EXPECT_EQ(moved->dim, 1);
  EXPECT_THAT(*moved->ranks, ElementsAre(Intervals{{0, 2}}, Intervals{{2, 4}}));
}

TEST(MoveThroughReshapeTest, HalfAHeadHasNoDimension) {
  EXPECT_FALSE(MoveThroughReshape({12}, {3, 4}, CutOf(0, {{{0, 6}}, {{6, 12}}}))
                   .has_value());
}

TEST(MoveThroughReshapeTest, ARankMayOwnNothing) {
  const auto moved = MoveThroughReshape({4}, {2, 2}, CutOf(0, {{{0, 4}}, {}}));
  ASSERT_TRUE(moved.has_value());
  EXPECT_THAT((*moved->ranks)[1], IsEmpty());
}

}  // namespace
}  // namespace autotp::partition
