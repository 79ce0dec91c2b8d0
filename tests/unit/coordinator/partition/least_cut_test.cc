#include "coordinator/partition/least_cut.h"

#include <random>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace autotp::partition {
namespace {

using ::testing::ElementsAre;

TEST(LeastCutTest, TakesTheCheapestArcOfAChain) {
  LeastCut cut;
  const int a = cut.AddNode();
  const int b = cut.AddNode();
  cut.AddArc(LeastCut::kSource, a, LeastCut::kNever);
  cut.AddArc(a, b, 3);
  cut.AddArc(b, LeastCut::kSink, 5);
  EXPECT_THAT(cut.SourceSide(), ElementsAre(true, false, true, false));
}

// Both arcs cost the same; `alone` tells the sides apart from nothing.
TEST(LeastCutTest, KeepsAsMuchAsItCanOnTheSourcesSide) {
  LeastCut cut;
  const int a = cut.AddNode();
  const int alone = cut.AddNode();
  cut.AddArc(LeastCut::kSource, a, 4);
  cut.AddArc(a, LeastCut::kSink, 4);
  EXPECT_THAT(cut.SourceSide(), ElementsAre(true, false, true, true));
  EXPECT_EQ(alone, 3);
}

// Against all ways of choosing sides.
TEST(LeastCutTest, NothingIsCheaper) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    const int nodes = 2 + static_cast<int>(random() % 6);
    LeastCut cut;
    while (cut.AddNode() < nodes - 1) {
    }
    std::vector<std::tuple<int, int, int64_t>> arcs;
    for (int i = 0; i < 3 * nodes; ++i) {
      const int from = static_cast<int>(random() % nodes);
      const int to = static_cast<int>(random() % nodes);
      if (from == to) continue;
      arcs.emplace_back(from, to, static_cast<int64_t>(random() % 9));
      cut.AddArc(from, to, std::get<2>(arcs.back()));
    }
    const auto cost = [&](const auto& on_source_side) {
      int64_t sum = 0;
      for (const auto& [from, to, price] : arcs)
        if (on_source_side(from) && !on_source_side(to)) sum += price;
      return sum;
    };
    const std::vector<bool> chosen = cut.SourceSide();
    ASSERT_TRUE(chosen[LeastCut::kSource]);
    ASSERT_FALSE(chosen[LeastCut::kSink]);
    const int64_t got = cost([&](int node) { return chosen[node]; });
    for (int sides = 0; sides < 1 << nodes; ++sides) {
      const auto on_source_side = [sides](int node) {
        return node == LeastCut::kSource ||
               (node != LeastCut::kSink && (sides >> node & 1) != 0);
      };
      ASSERT_LE(got, cost(on_source_side)) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace autotp::partition
