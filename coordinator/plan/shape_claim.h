// shape_claim.h -- what `shape` and `partition_dim` of a layer spec say about
// a weight.
//
// `shape` is a logical view of a weight [out, in]: its last number is the input
// dimension, the numbers before it multiply to the output dimension. At
// partition_dim a list gives the sizes of blocks that are cut each on its own,
// a number counts equal blocks, and -1 says nothing of blocks.
#ifndef AUTOTP_COORDINATOR_PLAN_SHAPE_CLAIM_H_
#define AUTOTP_COORDINATOR_PLAN_SHAPE_CLAIM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/config/tensor_parallel_request.h"

namespace autotp::plan {

struct ShapeClaim {
  std::vector<int64_t> view;    // the weight's numbers, seen so
  std::vector<int64_t> sizes;   // of the blocks at partition_dim; may be empty
  int dim = 0;                  // of the weight that is cut
  std::vector<int64_t> blocks;  // lengths along it; empty: says nothing
  // A count that is the whole width: blocks of one position each, all of the
  // first rank. Taken as a width, which says nothing of blocks.
  bool count_is_width = false;
};

// INVALID_ARGUMENT where the shape is ambiguous or impossible for a weight of
// that shape, which the message gives. REQUIRES: partition_dim < shape.size().
absl::StatusOr<ShapeClaim> ReadShapeClaim(
    const std::vector<config::ShapeEntry>& shape, int64_t partition_dim,
    const std::vector<int64_t>& weight);

// As it is written in JSON: "[[8, 4, 4], -1]".
std::string ShapeText(const std::vector<config::ShapeEntry>& shape);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_SHAPE_CLAIM_H_
