#include "coordinator/planner/activation_memory.h"

#include <algorithm>

#include "coordinator/planner/micro_step.h"

namespace autotp::planner {

int64_t PeakActivationBytes(const program::Program& local,
                            int64_t compute_bytes) {
  return MicroStep(local, compute_bytes).Run();
}

MicroStepMemory MeasureMicroStep(const program::Program& local,
                                 int64_t compute_bytes) {
  MicroStep step(local, compute_bytes);
  MicroStepMemory memory;
  memory.peak_bytes = step.Run();
  memory.flops_again = step.Again().flops;
  const bool is_again = std::any_of(
      local.nodes.begin(), local.nodes.end(),
      [](const program::Node& node) { return node.recompute_region != 0; });
  if (!is_again) return memory;
  program::Program without = local;
  for (program::Node& node : without.nodes) node.recompute_region = 0;
  memory.saved_bytes =
      PeakActivationBytes(without, compute_bytes) - memory.peak_bytes;
  return memory;
}

}  // namespace autotp::planner
