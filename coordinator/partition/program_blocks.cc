#include "coordinator/partition/program_blocks.h"

namespace autotp::partition {

// One rank has enough heads of every kind, so no relation is dropped.
ProgramBlocks::ProgramBlocks(const program::Program& program)
    : program_(program), axes_(FindAxes(program, /*ranks=*/1)) {}

std::vector<int64_t> ProgramBlocks::Of(size_t parameter, int dim) const {
  const int index = axes_.DimOf(program_.parameters[parameter].value, dim);
  std::vector<int64_t> blocks;
  int64_t begin = 0;
  const auto breaks = axes_.breaks.find(axes_.axis[index]);
  if (breaks != axes_.breaks.end()) {
    for (const int64_t at : breaks->second) {
      blocks.push_back(at - begin);
      begin = at;
    }
  }
  blocks.push_back(axes_.length[index] - begin);
  return blocks;
}

}  // namespace autotp::partition
