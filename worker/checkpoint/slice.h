// slice.h -- which part of a tensor a rank has, as runs of flat positions.
//
// A slice is a list of intervals of one dimension; its own elements are
// numbered row-major, from 0 ("local"), the whole tensor's likewise
// ("global"). Every reader and writer here works on runs that are contiguous
// in both.
//
// Pure.
#ifndef AUTOTP_WORKER_CHECKPOINT_SLICE_H_
#define AUTOTP_WORKER_CHECKPOINT_SLICE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "autotp/v1/program.pb.h"

namespace autotp::checkpoint {

// The half-open range [begin, end).
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

struct Slice {
  int cut_dim = -1;              // -1: the whole tensor
  std::vector<Range> intervals;  // of cut_dim, in local order
};

using Shape = std::vector<int64_t>;

// The slice that a local program's parameter describes, and its whole shape.
Slice SliceOf(const v1::Parameter& parameter);
Shape ShapeOf(const v1::Parameter& parameter);

// 1 for a scalar. REQUIRES: dimensions are not negative and the product fits.
int64_t ElementCount(absl::Span<const int64_t> shape);
// Elements of the slice. REQUIRES: CheckSlice is OK.
int64_t ElementCount(absl::Span<const int64_t> shape, const Slice& slice);

// INVALID_ARGUMENT: no such dimension, or an interval outside of it.
absl::Status CheckSlice(absl::Span<const int64_t> shape, const Slice& slice);

// One run: `count` elements from `global` of the tensor lie from `local` of
// the slice.
struct Run {
  int64_t global = 0;
  int64_t local = 0;
  int64_t count = 0;
};

// Visits the runs of local elements [local.begin, local.end) in order, the
// longest possible ones; ends at the first error and returns it.
// REQUIRES: CheckSlice is OK and the range lies in the slice.
absl::Status ForEachRun(absl::Span<const int64_t> shape, const Slice& slice,
                        Range local,
                        const std::function<absl::Status(Run)>& visit);

// "[64, 32]".
std::string DescribeShape(absl::Span<const int64_t> shape);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_SLICE_H_
