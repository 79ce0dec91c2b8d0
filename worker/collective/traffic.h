// traffic.h -- what a rank hands to its collectives, counted as it runs.
//
// Flow: worker/trainer wraps its groups by Metered(); the step loop says where
// in a step it is, and takes the counts.
//
// Counts are in the words of the plan (v1::CollectivePlan), so that what was
// planned and what was sent can be compared: bytes are payloads, not what a
// ring then sends; a reduce-scatter's and an all-gather's is the whole. What a
// data-parallel group sends belongs to the step, also while the backward runs.
//
// Threading: one thread, that of the calls.
#ifndef AUTOTP_WORKER_COLLECTIVE_TRAFFIC_H_
#define AUTOTP_WORKER_COLLECTIVE_TRAFFIC_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "autotp/v1/plan.pb.h"
#include "worker/collective/communicator.h"

namespace autotp::collective {

class Traffic {
 public:
  enum class Phase { kForward, kBackward, kStep };

  void Enter(Phase phase) { phase_ = phase; }
  void Add(v1::CollectivePlan::Group group, v1::CollectivePlan::Kind kind,
           int64_t bytes);
  // What was counted since the last call, one entry for each group, kind and
  // phase, sorted by them. Of forward and backward, the calls of one of
  // `micro_steps` equal micro-steps.
  std::vector<v1::CollectivePlan> Take(int64_t micro_steps);

 private:
  struct Sum {
    int64_t calls = 0;
    int64_t bytes = 0;
  };

  Phase phase_ = Phase::kStep;
  std::map<
      std::tuple<v1::CollectivePlan::Group, v1::CollectivePlan::Kind, Phase>,
      Sum>
      sums_;
};

// For people: "tensor group: 5 all-reduces forward, 10240 bytes; ...".
std::string TrafficText(const std::vector<v1::CollectivePlan>& sent);

// `group`, with its calls counted; a group of one exchanges nothing and is
// returned as it is. `traffic` outlives it.
std::unique_ptr<Communicator> Metered(std::unique_ptr<Communicator> group,
                                      v1::CollectivePlan::Group name,
                                      Traffic* traffic);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_TRAFFIC_H_
