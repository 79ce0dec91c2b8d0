// node_schedule.h -- when a value is freed, and what the backward computes
// again.
//
// The worker runs a local program's nodes so; the coordinator counts the memory
// of a micro-step by the same schedule.
//
// A region's nodes keep nothing in the forward. Before the backward of its last
// node they are run again, from the values that enter the region, which
// therefore live until then. Run again is only what some backward needs: nodes
// whose operation keeps something, and those that make what these read. A
// result that none of them reads is not wanted: a linear then keeps its input
// and multiplies nothing.
//
// Pure.
#ifndef AUTOTP_PROTO_SUPPORT_NODE_SCHEDULE_H_
#define AUTOTP_PROTO_SUPPORT_NODE_SCHEDULE_H_

#include <map>
#include <vector>

#include "absl/status/statusor.h"

namespace autotp::runtime {

// What a schedule has to know of a node.
struct ScheduledNode {
  std::vector<int> inputs;  // value ids; negative: absent
  std::vector<int> outputs;
  int region = 0;      // 0: none
  bool keeps = false;  // for a backward that will be run
};

// One run of a node's forward.
struct Pass {
  int node = 0;
  std::vector<int> freed;      // values that nobody needs behind it
  std::vector<bool> unwanted;  // outputs; empty: all are wanted
};

struct Schedule {
  std::vector<Pass> forward;     // where a backward follows
  std::vector<Pass> evaluation;  // where none does
  // What to run before the backward of a node: the last one of a region.
  std::map<int, std::vector<Pass>> again;
};

// `kept`: by value, those that are never freed: parameters. INVALID_ARGUMENT:
// regions that reach into each other.
absl::StatusOr<Schedule> MakeSchedule(const std::vector<ScheduledNode>& nodes,
                                      const std::vector<bool>& kept);

}  // namespace autotp::runtime

#endif  // AUTOTP_PROTO_SUPPORT_NODE_SCHEDULE_H_
