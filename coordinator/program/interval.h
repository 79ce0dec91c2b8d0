// interval.h -- half-open ranges of positions along one dimension.
//
// A cut value belongs to its ranks by lists of intervals of the global
// dimension: uneven sizes, fused blocks and empty ranks need nothing else.
#ifndef AUTOTP_COORDINATOR_PROGRAM_INTERVAL_H_
#define AUTOTP_COORDINATOR_PROGRAM_INTERVAL_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace autotp::program {

struct Interval {
  int64_t begin = 0;
  int64_t end = 0;  // >= begin
  friend bool operator==(const Interval&, const Interval&) = default;
};

// Sorted, disjoint, not adjacent, none empty.
using Intervals = std::vector<Interval>;

// Number of positions.
int64_t Length(const Intervals& intervals);

// Sorts, drops empty ones, joins overlapping and adjacent ones.
Intervals Normalize(Intervals intervals);

// As attributes of nodes: begin, end, begin, end, ...
std::vector<int64_t> Encode(const Intervals& intervals);
// INVALID_ARGUMENT: an odd number of numbers, or an end before its begin.
absl::StatusOr<Intervals> Decode(absl::Span<const int64_t> numbers);

// For each rank its number of intervals, then their begins and ends.
std::vector<int64_t> EncodeRanks(absl::Span<const Intervals> ranks);
absl::StatusOr<std::vector<Intervals>> DecodeRanks(
    absl::Span<const int64_t> numbers);

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_INTERVAL_H_
