// estimate.h -- bytes per rank, traffic per step and FLOPs per token.
//
// What a rank holds is counted as worker/zero lays it out and worker/runtime
// frees it; traffic is what a rank hands to its collectives (collectives.h).
// Not counted: programs and libraries, the scratch of kernels, the copy that
// a checkpoint in the background is written from. Pure.
#ifndef AUTOTP_COORDINATOR_PLANNER_ESTIMATE_H_
#define AUTOTP_COORDINATOR_PLANNER_ESTIMATE_H_

#include <cstdint>
#include <vector>

#include "autotp/v1/plan.pb.h"
#include "coordinator/planner/collectives.h"
#include "coordinator/program/program.h"

namespace autotp::planner {

v1::Estimate EstimateOf(const EstimateInput& input,
                        const std::vector<v1::CollectivePlan>& collectives);

// Numbers in the parameters, each tensor once.
int64_t ParameterElements(const program::Program& program);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_ESTIMATE_H_
