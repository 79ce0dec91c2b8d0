// worlds.h -- the groups that the conformance tests form.
#ifndef AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_WORLDS_H_
#define AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_WORLDS_H_

#include <memory>
#include <vector>

#include "tests/unit/worker/collective/world.h"

namespace autotp::collective {

inline std::vector<World> ManyRankWorlds() {
  using v1::ProcessGroup;
  std::vector<World> worlds;
  for (RanksAre ranks_are : {RanksAre::kThreads, RanksAre::kProcesses}) {
    for (int size : {2, 3, 4}) {
      worlds.push_back({ProcessGroup::BACKEND_SHARED_MEMORY, ranks_are, size});
    }
  }
  if (AUTOTP_TEST_GLOO) {
    worlds.push_back({ProcessGroup::BACKEND_GLOO, RanksAre::kThreads, 2});
    worlds.push_back({ProcessGroup::BACKEND_GLOO, RanksAre::kProcesses, 2});
    worlds.push_back({ProcessGroup::BACKEND_GLOO, RanksAre::kProcesses, 3});
  }
  if (AUTOTP_TEST_NCCL) {
    for (int size : {2, 3, 4}) {
      worlds.push_back({ProcessGroup::BACKEND_NCCL, RanksAre::kThreads, size});
    }
  }
  return worlds;
}

inline std::vector<World> AllWorlds() {
  std::vector<World> worlds = ManyRankWorlds();
  worlds.push_back({v1::ProcessGroup::BACKEND_LOCAL, RanksAre::kThreads, 1});
  return worlds;
}

}  // namespace autotp::collective

#endif  // AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_WORLDS_H_
