#include "coordinator/partition/rank_intervals.h"

#include <algorithm>
#include <utility>

namespace autotp::partition {

using program::Interval;
using program::Intervals;

Ranks MakeRanks(RankIntervals intervals) {
  return std::make_shared<const RankIntervals>(std::move(intervals));
}

std::vector<int64_t> SpreadUnits(int64_t units, int ranks, int64_t grain) {
  if (units < grain) grain = 1;
  const int64_t grains = units / grain;
  std::vector<int64_t> spread(ranks, grains / ranks * grain);
  for (int64_t r = 0; r < grains % ranks; ++r) spread[r] += grain;
  spread.back() += units % grain;
  return spread;
}

Intervals Window(const Intervals& intervals, int64_t begin, int64_t end) {
  Intervals inside;
  for (const Interval& interval : intervals) {
    const int64_t from = std::max(interval.begin, begin);
    const int64_t to = std::min(interval.end, end);
    if (from < to) inside.push_back({from - begin, to - begin});
  }
  return inside;
}

Intervals Shift(const Intervals& intervals, int64_t by) {
  Intervals moved = intervals;
  for (Interval& interval : moved) {
    interval.begin += by;
    interval.end += by;
  }
  return moved;
}

Ranks Widen(const Ranks& ranks, int64_t factor) {
  if (factor == 1) return ranks;
  RankIntervals wide = *ranks;
  for (Intervals& intervals : wide) {
    for (Interval& interval : intervals) {
      interval.begin *= factor;
      interval.end *= factor;
    }
  }
  return MakeRanks(std::move(wide));
}

Ranks Narrow(const Ranks& ranks, int64_t factor) {
  if (factor == 1) return ranks;
  RankIntervals narrow = *ranks;
  for (Intervals& intervals : narrow) {
    for (Interval& interval : intervals) {
      if (interval.begin % factor != 0 || interval.end % factor != 0)
        return nullptr;
      interval.begin /= factor;
      interval.end /= factor;
    }
  }
  return MakeRanks(std::move(narrow));
}

bool OneIntervalEach(const RankIntervals& ranks) {
  return std::all_of(ranks.begin(), ranks.end(),
                     [](const Intervals& own) { return own.size() <= 1; });
}

bool SameRanks(const Ranks& a, const Ranks& b) {
  return a == b || (a != nullptr && b != nullptr && *a == *b);
}

}  // namespace autotp::partition
