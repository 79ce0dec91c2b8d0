#include "coordinator/program/interval.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::program {

int64_t Length(const Intervals& intervals) {
  int64_t length = 0;
  for (const Interval& interval : intervals)
    length += interval.end - interval.begin;
  return length;
}

Intervals Normalize(Intervals intervals) {
  std::erase_if(intervals, [](const Interval& i) { return i.end <= i.begin; });
  std::sort(
      intervals.begin(), intervals.end(),
      [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  Intervals joined;
  for (const Interval& interval : intervals) {
    if (!joined.empty() && interval.begin <= joined.back().end) {
      joined.back().end = std::max(joined.back().end, interval.end);
    } else {
      joined.push_back(interval);
    }
  }
  return joined;
}

std::vector<int64_t> Encode(const Intervals& intervals) {
  std::vector<int64_t> numbers;
  numbers.reserve(2 * intervals.size());
  for (const Interval& interval : intervals) {
    numbers.push_back(interval.begin);
    numbers.push_back(interval.end);
  }
  return numbers;
}

absl::StatusOr<Intervals> Decode(absl::Span<const int64_t> numbers) {
  if (numbers.size() % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("intervals are pairs of begin and end, got ",
                     numbers.size(), " numbers"));
  }
  Intervals intervals;
  int64_t length = 0;
  for (size_t i = 0; i < numbers.size(); i += 2) {
    if (numbers[i] < 0 || numbers[i + 1] < numbers[i] ||
        __builtin_add_overflow(length, numbers[i + 1] - numbers[i], &length)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "[", numbers[i], ", ", numbers[i + 1], ") is no interval"));
    }
    intervals.push_back({numbers[i], numbers[i + 1]});
  }
  return intervals;
}

std::vector<int64_t> EncodeRanks(absl::Span<const Intervals> ranks) {
  std::vector<int64_t> numbers;
  for (const Intervals& intervals : ranks) {
    numbers.push_back(static_cast<int64_t>(intervals.size()));
    const std::vector<int64_t> encoded = Encode(intervals);
    numbers.insert(numbers.end(), encoded.begin(), encoded.end());
  }
  return numbers;
}

absl::StatusOr<std::vector<Intervals>> DecodeRanks(
    absl::Span<const int64_t> numbers) {
  std::vector<Intervals> ranks;
  size_t at = 0;
  while (at < numbers.size()) {
    const int64_t count = numbers[at++];
    const int64_t left = static_cast<int64_t>(numbers.size() - at);
    if (count < 0 || count > left / 2) {
      return absl::InvalidArgumentError(
          absl::StrCat("rank ", ranks.size(), " announces ", count,
                       " intervals, but ", left, " numbers follow"));
    }
    const size_t length = static_cast<size_t>(2 * count);
    AUTOTP_ASSIGN_OR_RETURN(Intervals intervals,
                            Decode(numbers.subspan(at, length)));
    ranks.push_back(std::move(intervals));
    at += length;
  }
  return ranks;
}

}  // namespace autotp::program
