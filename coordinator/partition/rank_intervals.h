// rank_intervals.h -- which positions of one dimension each rank owns.
#ifndef AUTOTP_COORDINATOR_PARTITION_RANK_INTERVALS_H_
#define AUTOTP_COORDINATOR_PARTITION_RANK_INTERVALS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "coordinator/program/interval.h"

namespace autotp::partition {

// [rank], shared by all values that are cut alike.
using RankIntervals = std::vector<program::Intervals>;
using Ranks = std::shared_ptr<const RankIntervals>;

Ranks MakeRanks(RankIntervals intervals);

// Spread as evenly as can be in multiples of `grain`, the first ranks taking
// one more; the last rank takes what makes no whole grain. Fewer units than a
// grain are spread one by one.
std::vector<int64_t> SpreadUnits(int64_t units, int ranks, int64_t grain = 1);

// The positions in [begin, end), counted from `begin`.
program::Intervals Window(const program::Intervals& intervals, int64_t begin,
                          int64_t end);

program::Intervals Shift(const program::Intervals& intervals, int64_t by);

// Every position becomes `factor` positions.
Ranks Widen(const Ranks& ranks, int64_t factor);

// The inverse of Widen; nullptr where a border falls between.
Ranks Narrow(const Ranks& ranks, int64_t factor);

// Every rank owns at most one interval.
bool OneIntervalEach(const RankIntervals& ranks);

bool SameRanks(const Ranks& a, const Ranks& b);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_RANK_INTERVALS_H_
