// reshape_cut.h -- how the dimensions and the cuts of a value move through a
// reshape.
#ifndef AUTOTP_COORDINATOR_PARTITION_RESHAPE_CUT_H_
#define AUTOTP_COORDINATOR_PARTITION_RESHAPE_CUT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "coordinator/partition/rank_intervals.h"

namespace autotp::partition {

// Dimensions of both shapes whose products are equal, as few as can be;
// dimensions of length one are in no group.
struct ReshapeGroup {
  std::vector<int> from;
  std::vector<int> to;
};

// REQUIRES: equal numbers of elements.
std::vector<ReshapeGroup> ReshapeGroups(const std::vector<int64_t>& from,
                                        const std::vector<int64_t>& to);

struct DimCut {
  int dim = -1;
  Ranks ranks;
};

// The cut of the reshaped value, in the outermost dimension that can hold it;
// absent where no single dimension can.
std::optional<DimCut> MoveThroughReshape(const std::vector<int64_t>& from,
                                         const std::vector<int64_t>& to,
                                         const DimCut& cut);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_RESHAPE_CUT_H_
