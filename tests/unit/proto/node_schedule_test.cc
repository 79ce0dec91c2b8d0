#include "proto/support/node_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autotp::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Values: 0 is a parameter, 1 the input; node n makes value n + 2.
std::vector<bool> Kept(size_t nodes) {
  std::vector<bool> kept(nodes + 2);
  kept[0] = true;
  return kept;
}

Schedule Make(const std::vector<ScheduledNode>& nodes) {
  const absl::StatusOr<Schedule> schedule =
      MakeSchedule(nodes, Kept(nodes.size()));
  EXPECT_TRUE(schedule.ok()) << schedule.status();
  return schedule.ok() ? *schedule : Schedule{};
}

std::vector<int> NodesOf(const std::vector<Pass>& passes) {
  std::vector<int> nodes;
  for (const Pass& pass : passes) nodes.push_back(pass.node);
  return nodes;
}

TEST(NodeSchedule, FreesAValueBehindItsLastReader) {
  const Schedule schedule = Make({{{0, 1}, {2}, 0, true},
                                  {{2, 2}, {3}, 0, true},
                                  {{2, -1, 3}, {4}, 0, true}});
  ASSERT_THAT(NodesOf(schedule.forward), ElementsAre(0, 1, 2));
  EXPECT_THAT(schedule.forward[0].freed, ElementsAre(1));
  EXPECT_THAT(schedule.forward[1].freed, IsEmpty());
  EXPECT_THAT(schedule.forward[2].freed, ElementsAre(2, 3));
  EXPECT_THAT(schedule.again, IsEmpty());
}

TEST(NodeSchedule, WhatEntersARegionLivesUntilItIsRunAgain) {
  // 1 enters both regions: the first one, whose turn comes last, frees it.
  const Schedule schedule = Make({{{0, 1}, {2}, 1, true},
                                  {{0, 2}, {3}, 1, true},
                                  {{3, 1}, {4}, 2, true},
                                  {{4}, {5}, 0, true}});
  EXPECT_THAT(schedule.forward[0].freed, IsEmpty());
  EXPECT_THAT(schedule.forward[1].freed, ElementsAre(2));
  EXPECT_THAT(schedule.forward[2].freed, IsEmpty());
  EXPECT_THAT(schedule.forward[3].freed, ElementsAre(4));
  EXPECT_THAT(schedule.evaluation[2].freed, ElementsAre(3, 1));
  ASSERT_EQ(schedule.again.size(), 2u);
  const std::vector<Pass>& second = schedule.again.at(2);
  ASSERT_THAT(NodesOf(second), ElementsAre(2));
  EXPECT_THAT(second[0].freed, ElementsAre(3));
  const std::vector<Pass>& first = schedule.again.at(1);
  ASSERT_THAT(NodesOf(first), ElementsAre(0, 1));
  EXPECT_THAT(first[0].freed, ElementsAre(1));
  EXPECT_THAT(first[1].freed, ElementsAre(2));
}

TEST(NodeSchedule, RunsAgainOnlyWhatABackwardNeeds) {
  // Node 2 keeps nothing and nobody reads it; node 1 is wanted for what it
  // keeps alone; node 0 for its result alone.
  const Schedule schedule = Make({{{0, 1}, {2}, 1, false},
                                  {{2}, {3}, 1, true},
                                  {{3, 1}, {4}, 1, false},
                                  {{4}, {5}, 0, true}});
  const std::vector<Pass>& again = schedule.again.at(2);
  ASSERT_THAT(NodesOf(again), ElementsAre(0, 1));
  EXPECT_THAT(again[0].unwanted, ElementsAre(false));
  EXPECT_THAT(again[1].unwanted, ElementsAre(true));
  EXPECT_THAT(schedule.forward[2].freed, ElementsAre(3));
}

TEST(NodeSchedule, RegionsThatReachIntoEachOtherAreRefused) {
  const absl::StatusOr<Schedule> schedule = MakeSchedule(
      {{{1}, {2}, 1, true}, {{2}, {3}, 2, true}, {{3}, {4}, 1, true}}, Kept(3));
  EXPECT_EQ(schedule.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(schedule.status().message()),
              HasSubstr("reach into each other"));
}

}  // namespace
}  // namespace autotp::runtime
