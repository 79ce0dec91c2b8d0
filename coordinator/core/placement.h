// placement.h -- which ranks communicate, and by what.
//
// rank = dp_rank * tensor_parallel_size + tp_rank: a tensor-parallel group is
// a run of neighbours on one worker, a data-parallel group strides over them.
// Pure.
#ifndef AUTOTP_COORDINATOR_CORE_PLACEMENT_H_
#define AUTOTP_COORDINATOR_CORE_PLACEMENT_H_

#include <string>
#include <vector>

#include "autotp/v1/assignment.pb.h"

namespace autotp::core {

struct RankSite {
  std::string worker;
  std::string device;  // "cpu", "cuda"
};

// The groups "tp", "dp" and "world" that hold `rank`, in this order.
// Shared memory joins the CPU ranks of one worker: its segment is handed to
// trainers by the agent that forked them.
std::vector<v1::ProcessGroup> GroupsOfRank(int rank, int tensor_parallel_size,
                                           const std::vector<RankSite>& sites);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_PLACEMENT_H_
