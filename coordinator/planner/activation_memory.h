// activation_memory.h -- what one micro-step of a local program holds at its
// peak.
//
// The micro-step is walked through as worker/runtime runs it: nodes forward in
// program order, then backward; a value is freed after its last use, unless an
// operation keeps it for its backward; memory that nobody else sees is written
// over; regions that are computed again keep nothing until then. With bf16
// every operation computes in fp32 and rounds its results, so its operands and
// results are there twice for a moment.
//
// Bytes of tensors alone: weights and their gradients, the inputs, and the
// scratch of a kernel are not counted. Pure.
#ifndef AUTOTP_COORDINATOR_PLANNER_ACTIVATION_MEMORY_H_
#define AUTOTP_COORDINATOR_PLANNER_ACTIVATION_MEMORY_H_

#include <cstdint>

#include "coordinator/program/program.h"

namespace autotp::planner {

// `compute_bytes`: of a number in the compute dtype, 4 or 2.
int64_t PeakActivationBytes(const program::Program& local,
                            int64_t compute_bytes);

struct MicroStepMemory {
  int64_t peak_bytes = 0;
  int64_t saved_bytes = 0;  // less than without recomputation
  double flops_again = 0;   // that recomputation adds on this rank
};

MicroStepMemory MeasureMicroStep(const program::Program& local,
                                 int64_t compute_bytes);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_ACTIVATION_MEMORY_H_
