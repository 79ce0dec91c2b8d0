// flops.h -- multiplications and additions of matrix products; nothing else
// takes time that counts. Pure.
#ifndef AUTOTP_COORDINATOR_PLANNER_FLOPS_H_
#define AUTOTP_COORDINATOR_PLANNER_FLOPS_H_

#include "coordinator/program/program.h"

namespace autotp::planner {

// Of a node's forward over the micro-batch. Not `wanted`: of one that is run
// again for what it keeps alone, and makes no result.
double ForwardFlops(const program::Program& program, const program::Node& node,
                    bool wanted = true);

// Of a micro-step, forward and backward, without recomputation.
double MicroStepFlops(const program::Program& program);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_FLOPS_H_
