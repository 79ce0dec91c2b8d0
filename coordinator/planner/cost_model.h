// cost_model.h -- how long an optimizer step takes, by a simple model.
//
// A step is a sum, since nothing is assumed to overlap:
//
//   compute   forward and backward of a rank's products / flops_per_second;
//             what recomputation adds to them, and the bytes that it reads and
//             writes / memory_bytes_per_second
//   tensor    tensor-parallel exchanges
//   data      data-parallel exchanges
//   update    bytes that the optimizer touches / memory_bytes_per_second
//
// An exchange among n ranks takes collective_seconds, and its payload times
// (n-1)/n for a gather or scatter, twice that for an all-reduce (as a ring
// sends it), over the bandwidth of its group.
//
// The model ranks layouts against each other. It is no forecast. Pure.
#ifndef AUTOTP_COORDINATOR_PLANNER_COST_MODEL_H_
#define AUTOTP_COORDINATOR_PLANNER_COST_MODEL_H_

#include <cstdint>
#include <vector>

#include "autotp/v1/common.pb.h"
#include "autotp/v1/plan.pb.h"
#include "autotp/v1/tune.pb.h"

namespace autotp::planner {

// Numbers of `wish` where they are positive, else an H100's of a host with
// NVLink and one 400 Gbit/s port: 450 TFLOP/s in bf16 or 45 in fp32, 350 GB/s
// between tensor-parallel and 40 GB/s between data-parallel ranks, 15 us for a
// collective, 2.5 TB/s of memory.
v1::CostModel CostModelFor(const v1::CostModel& wish, v1::DataType compute);

struct StepWork {
  double rank_flops = 0;     // of all micro-steps, recomputation included
  int64_t bytes_again = 0;   // that recomputation reads and writes in them
  int64_t update_bytes = 0;  // that the optimizer reads and writes
  int64_t accumulation = 1;  // micro-steps
  std::vector<v1::CollectivePlan> collectives;
};

// Fills in the seconds of `choice`, whose sizes are set.
void SetSeconds(const v1::CostModel& cost, const StepWork& work,
                v1::LayoutChoice* choice);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_COST_MODEL_H_
