#include "tests/sim/network.h"

namespace autotp::sim {

void Network::MakeStale(v1::Fence& fence) {
  switch (world_.chance.Between(0, 3)) {
    case 0:
      fence.set_coordinator_epoch(fence.coordinator_epoch() - 1);
      return;
    case 1:
      fence.set_incarnation("older");
      return;
    case 2:
      fence.set_attempt(fence.attempt() - 1);
      return;
    default:
      fence.set_group_epoch(fence.group_epoch() - 1);
  }
}

}  // namespace autotp::sim
