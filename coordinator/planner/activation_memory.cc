#include "coordinator/planner/activation_memory.h"

#include "coordinator/planner/micro_step.h"

namespace autotp::planner {

int64_t PeakActivationBytes(const program::Program& local,
                            int64_t compute_bytes) {
  return MicroStep(local, compute_bytes).Run();
}

}  // namespace autotp::planner
