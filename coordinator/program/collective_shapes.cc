#include "coordinator/program/collective_shapes.h"

#include <algorithm>
#include <utility>

#include "proto/support/status_macros.h"

namespace autotp::program {
namespace {

// What each rank owns of a dimension of size 'size'; together all of it.
absl::StatusOr<std::vector<Intervals>> CoveringIntervals(const Node& node,
                                                         size_t dim) {
  AUTOTP_ASSIGN_OR_RETURN(std::vector<Intervals> ranks,
                          DecodeRanks(IntegersOf(node, "intervals")));
  const int64_t size = IntegerOf(node, "size");
  Intervals all;
  for (const Intervals& rank : ranks)
    all.insert(all.end(), rank.begin(), rank.end());
  all = Normalize(std::move(all));
  const bool covered = size == 0 ? all.empty() : all == Intervals{{0, size}};
  if (!covered) {
    return Misfit("the ranks' intervals do not cover dimension ", dim,
                  " of size ", size);
  }
  return ranks;
}

}  // namespace

ShapeOutputs AllGatherShapes(const Node& node, Inputs in) {
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  AUTOTP_ASSIGN_OR_RETURN(const size_t dim, DimOf(node, "dim", *in[0]));
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<Intervals> ranks,
                          CoveringIntervals(node, dim));
  Shape shape = in[0]->shape;
  const bool mine = std::any_of(
      ranks.begin(), ranks.end(),
      [&](const Intervals& rank) { return Length(rank) == shape[dim]; });
  if (!mine) return Misfit("no rank owns ", shape[dim], " of dimension ", dim);
  shape[dim] = IntegerOf(node, "size");
  return One(std::move(shape), in[0]->kind);
}

ShapeOutputs ReduceScatterShapes(const Node& node, Inputs in) {
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  AUTOTP_ASSIGN_OR_RETURN(const size_t dim, DimOf(node, "dim", *in[0]));
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<Intervals> ranks,
                          CoveringIntervals(node, dim));
  const int64_t rank = IntegerOf(node, "rank");
  const int64_t size = IntegerOf(node, "size");
  Shape shape = in[0]->shape;
  if (rank < 0 || rank >= static_cast<int64_t>(ranks.size()))
    return Misfit("'rank' is ", rank, " of ", ranks.size());
  if (shape[dim] != size) {
    return Misfit("'size' is ", size, ", but dimension ", dim, " of ",
                  ShapeText(shape), " is not");
  }
  shape[dim] = Length(ranks[static_cast<size_t>(rank)]);
  return One(std::move(shape), in[0]->kind);
}

ShapeOutputs TakeShapes(const Node& node, Inputs in) {
  AUTOTP_ASSIGN_OR_RETURN(const size_t dim, DimOf(node, "dim", *in[0]));
  AUTOTP_ASSIGN_OR_RETURN(const Intervals intervals,
                          Decode(IntegersOf(node, "intervals")));
  const int64_t size = IntegerOf(node, "size");
  Shape shape = in[0]->shape;
  if (size != shape[dim]) {
    return Misfit("'size' is ", size, ", but dimension ", dim, " of ",
                  ShapeText(shape), " is not");
  }
  for (const Interval& interval : intervals) {
    if (interval.end > size) {
      return Misfit("[", interval.begin, ", ", interval.end,
                    ") does not lie in dimension ", dim, " of size ", size);
    }
  }
  shape[dim] = Length(intervals);
  return One(std::move(shape), in[0]->kind);
}

}  // namespace autotp::program
