// collectives.h -- the exchanges of one optimizer step, counted exactly.
//
// Counts are calls of a communicator, bytes are payloads: what a rank hands to
// a collective, not what a ring then sends. A reduce-scatter's and an
// all-gather's payload is the whole, with its padding. The few control words
// that the world exchanges once a step are left out.
//
// Data-parallel exchanges go by buckets of the flat buffers: stage 0
// all-reduces the gradients once a step; stage 1 reduce-scatters them once,
// stage 2 at every micro-step, and both gather the new weights. Gradients
// travel in the communication dtype, weights and activations in the compute
// dtype. Muon brings whole matrices together over both groups, in fp32. Pure.
#ifndef AUTOTP_COORDINATOR_PLANNER_COLLECTIVES_H_
#define AUTOTP_COORDINATOR_PLANNER_COLLECTIVES_H_

#include <cstdint>
#include <vector>

#include "autotp/v1/plan.pb.h"
#include "autotp/v1/training.pb.h"
#include "coordinator/partition/partition.h"
#include "coordinator/program/program.h"
#include "proto/support/flat_layout.h"
#include "proto/support/muon_rounds.h"

namespace autotp::planner {

struct EstimateInput {
  const program::Program& whole;
  const partition::Partitioned& partitioned;
  const v1::TrainingConfig& training;
  int64_t data_parallel_size = 1;
};

// Of a number.
int64_t BytesOf(v1::DataType type);
// Of a number in the compute dtype.
int64_t ComputeBytes(const v1::TrainingConfig& training);

// The ZeRO stage that is run: without data parallelism every stage is 0.
int StageOf(const EstimateInput& input);

// The flat buffers of a rank with this local program.
zero::FlatLayout LayoutOf(const EstimateInput& input,
                          const program::Program& local);

// What Muon does together; empty for another optimizer.
std::vector<zero::MuonRound> MuonRoundsOf(const EstimateInput& input,
                                          const program::Program& local);

// Of the rank that holds most: the first, but where a grain gives the last
// what is left over.
const program::Program& FullestLocal(const partition::Partitioned& partitioned);

// Of the fullest rank. Collectives of one
// kind, phase and reason (layers aside) together, in the order of their first
// use; then those of the optimizer step.
std::vector<v1::CollectivePlan> CollectivesOf(const EstimateInput& input);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_COLLECTIVES_H_
