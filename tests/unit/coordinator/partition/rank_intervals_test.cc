// Goal: units are shared out as DeepSpeed shares them out, grains included.
// Method: its answers for a table of sizes, and what must hold for all.
#include "coordinator/partition/rank_intervals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace autotp::partition {
namespace {

TEST(SpreadUnitsTest, AsDeepSpeedDoes) {
  struct Case {
    int64_t units;
    int ranks;
    int64_t grain;
    std::vector<int64_t> shares;
  };
  for (const Case& c : std::vector<Case>{
           {101, 2, 1, {51, 50}},
           {10, 3, 1, {4, 3, 3}},
           {50257, 2, 64, {25152, 25105}},
           {50257, 8, 64, {6336, 6272, 6272, 6272, 6272, 6272, 6272, 6289}},
           {151936,
            8,
            64,
            {19008, 19008, 19008, 19008, 19008, 19008, 18944, 18944}},
           {32000, 4, 64, {8000, 8000, 8000, 8000}},
           {14336, 3, 128, {4864, 4736, 4736}},
           {100, 2, 64, {64, 36}},
           {100, 4, 64, {64, 0, 0, 36}},
           {10, 4, 4, {4, 4, 0, 2}},
           {64, 4, 64, {64, 0, 0, 0}},
           {63, 2, 64, {32, 31}}}) {
    EXPECT_EQ(SpreadUnits(c.units, c.ranks, c.grain), c.shares)
        << c.units << " on " << c.ranks << " by " << c.grain;
  }
}

TEST(SpreadUnitsTest, SharesAreAllOfItAndOnlyTheLastIsNoGrain) {
  for (int64_t units = 0; units < 60; ++units) {
    for (const int ranks : {1, 2, 3, 8}) {
      for (const int64_t grain : {1, 2, 7, 16, 100}) {
        const std::vector<int64_t> shares = SpreadUnits(units, ranks, grain);
        EXPECT_EQ(std::accumulate(shares.begin(), shares.end(), int64_t{0}),
                  units);
        for (int rank = 0; units >= grain && rank + 1 < ranks; ++rank)
          EXPECT_EQ(shares[rank] % grain, 0) << units << " by " << grain;
      }
    }
  }
}

}  // namespace
}  // namespace autotp::partition
