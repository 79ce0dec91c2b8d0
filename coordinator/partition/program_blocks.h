// program_blocks.h -- the blocks of fused weights, as the program tells them.
//
// Slices of a linear's output and concatenations before its input split the
// weight's dimensions: [q | k | v] of a fused attention, gate and up of a fused
// MLP. A cut gives each rank its share of every block.
#ifndef AUTOTP_COORDINATOR_PARTITION_PROGRAM_BLOCKS_H_
#define AUTOTP_COORDINATOR_PARTITION_PROGRAM_BLOCKS_H_

#include <cstdint>
#include <vector>

#include "coordinator/partition/axes.h"

namespace autotp::partition {

class ProgramBlocks {
 public:
  explicit ProgramBlocks(const program::Program& program);

  // The blocks' lengths, in order; one where the dimension is not split.
  std::vector<int64_t> Of(size_t parameter, int dim) const;

 private:
  const program::Program& program_;
  const Axes axes_;
};

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_PROGRAM_BLOCKS_H_
