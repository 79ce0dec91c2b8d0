// estimate.h -- bytes per rank, traffic per step and FLOPs per token.
//
// Memory and traffic count payloads: what a rank hands to a collective, not
// what a ring then sends. Data-parallel traffic: stage 0 all-reduces the
// gradients once a step; stage 1 reduce-scatters them once, stage 2 at every
// micro-step, and both gather the new weights. Gradients travel in fp32,
// weights and activations in the compute dtype. Pure.
#ifndef AUTOTP_COORDINATOR_PLANNER_ESTIMATE_H_
#define AUTOTP_COORDINATOR_PLANNER_ESTIMATE_H_

#include <cstdint>
#include <vector>

#include "autotp/v1/plan.pb.h"
#include "autotp/v1/training.pb.h"
#include "coordinator/partition/partition.h"
#include "coordinator/program/program.h"

namespace autotp::planner {

struct EstimateInput {
  const program::Program& whole;
  const partition::Partitioned& partitioned;
  const v1::TrainingConfig& training;
  int64_t data_parallel_size = 1;
};

// Collectives of one kind, phase and reason (layers aside) together, in the
// order of their first use; then those of the optimizer step.
std::vector<v1::CollectivePlan> CollectivesOf(const EstimateInput& input);

v1::Estimate EstimateOf(const EstimateInput& input,
                        const std::vector<v1::CollectivePlan>& collectives);

// Numbers in the parameters, each tensor once.
int64_t ParameterElements(const program::Program& program);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_ESTIMATE_H_
