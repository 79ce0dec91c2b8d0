#include "worker/checkpoint/slice.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"

namespace autotp::checkpoint {
namespace {

// A tensor as [outer, positions, inner] around the cut dimension.
struct Cut {
  int64_t outer = 1;
  int64_t positions = 1;
  int64_t inner = 1;
};

Cut CutOf(absl::Span<const int64_t> shape, int cut_dim) {
  Cut cut;
  for (int d = 0; d < static_cast<int>(shape.size()); ++d) {
    (d < cut_dim    ? cut.outer
     : d == cut_dim ? cut.positions
                    : cut.inner) *= shape[d];
  }
  return cut;
}

int64_t Positions(const Slice& slice) {
  int64_t total = 0;
  for (const Range& interval : slice.intervals) total += interval.size();
  return total;
}

}  // namespace

Slice SliceOf(const v1::Parameter& parameter) {
  Slice slice;
  slice.cut_dim = parameter.cut_dim();
  for (const v1::Interval& interval : parameter.intervals()) {
    slice.intervals.push_back({interval.begin(), interval.end()});
  }
  return slice;
}

Shape ShapeOf(const v1::Parameter& parameter) {
  return Shape(parameter.shape().begin(), parameter.shape().end());
}

int64_t ElementCount(absl::Span<const int64_t> shape) {
  int64_t count = 1;
  for (const int64_t length : shape) {
    AUTOTP_CHECK(length >= 0 && !__builtin_mul_overflow(count, length, &count),
                 DescribeShape(shape));
  }
  return count;
}

int64_t ElementCount(absl::Span<const int64_t> shape, const Slice& slice) {
  if (slice.cut_dim < 0) return ElementCount(shape);
  const Cut cut = CutOf(shape, slice.cut_dim);
  return cut.outer * Positions(slice) * cut.inner;
}

absl::Status CheckSlice(absl::Span<const int64_t> shape, const Slice& slice) {
  if (slice.cut_dim < 0) return absl::OkStatus();
  if (slice.cut_dim >= static_cast<int>(shape.size())) {
    return absl::InvalidArgumentError(absl::StrCat("cut along dimension ",
                                                   slice.cut_dim, " of shape ",
                                                   DescribeShape(shape)));
  }
  for (const Range& interval : slice.intervals) {
    if (interval.begin < 0 || interval.end < interval.begin ||
        interval.end > shape[slice.cut_dim]) {
      return absl::InvalidArgumentError(
          absl::StrCat("interval [", interval.begin, ", ", interval.end,
                       ") is outside of dimension ", slice.cut_dim,
                       " of shape ", DescribeShape(shape)));
    }
  }
  return absl::OkStatus();
}

absl::Status ForEachRun(absl::Span<const int64_t> shape, const Slice& slice,
                        Range local,
                        const std::function<absl::Status(Run)>& visit) {
  const int64_t total = ElementCount(shape, slice);
  AUTOTP_CHECK(
      local.begin >= 0 && local.begin <= local.end && local.end <= total, "[",
      local.begin, ", ", local.end, ") of ", total);
  if (local.size() == 0) return absl::OkStatus();
  if (slice.cut_dim < 0) return visit({local.begin, local.begin, local.size()});
  const Cut cut = CutOf(shape, slice.cut_dim);
  const int64_t row = Positions(slice) * cut.inner;  // local, per outer index
  for (int64_t o = local.begin / row; o * row < local.end; ++o) {
    int64_t start = o * row;  // local place of the interval
    for (const Range& interval : slice.intervals) {
      const int64_t length = interval.size() * cut.inner;
      const int64_t begin = std::max(start, local.begin);
      const int64_t end = std::min(start + length, local.end);
      if (begin < end) {
        const int64_t global =
            (o * cut.positions + interval.begin) * cut.inner + begin - start;
        AUTOTP_RETURN_IF_ERROR(visit({global, begin, end - begin}));
      }
      start += length;
    }
  }
  return absl::OkStatus();
}

std::string DescribeShape(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

}  // namespace autotp::checkpoint
