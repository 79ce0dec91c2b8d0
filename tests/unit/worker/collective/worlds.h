// worlds.h -- the groups that the conformance tests form.
#ifndef AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_WORLDS_H_
#define AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_WORLDS_H_

#include <memory>
#include <vector>

#include "tests/unit/worker/collective/world.h"

namespace autotp::collective {

inline std::vector<World> SharedMemoryWorlds() {
  std::vector<World> worlds;
  for (RanksAre ranks_are : {RanksAre::kThreads, RanksAre::kProcesses}) {
    for (int size : {2, 3, 4}) {
      worlds.push_back(
          {v1::ProcessGroup::BACKEND_SHARED_MEMORY, ranks_are, size});
    }
  }
  return worlds;
}

inline std::vector<World> ManyRankWorlds() {
  std::vector<World> worlds = SharedMemoryWorlds();
  worlds.push_back({v1::ProcessGroup::BACKEND_GLOO, RanksAre::kThreads, 2});
  worlds.push_back({v1::ProcessGroup::BACKEND_GLOO, RanksAre::kProcesses, 2});
  worlds.push_back({v1::ProcessGroup::BACKEND_GLOO, RanksAre::kProcesses, 3});
  return worlds;
}

inline std::vector<World> AllWorlds() {
  std::vector<World> worlds = ManyRankWorlds();
  worlds.push_back({v1::ProcessGroup::BACKEND_LOCAL, RanksAre::kThreads, 1});
  return worlds;
}

// Whether the build has the world's backend.
inline bool IsBuilt(const World& world) {
  return world.backend != v1::ProcessGroup::BACKEND_GLOO || AUTOTP_TEST_GLOO;
}

inline GroupOptions OptionsFor(const World&) {
  GroupOptions options = TestOptions();
  options.plugin_directory = AUTOTP_TEST_PLUGINS;
  return options;
}

// Waits for `work` as a caller would before it looks at its buffers.
inline absl::Status Finish(Communicator&, std::unique_ptr<Work> work) {
  return work->Wait();
}

}  // namespace autotp::collective

#endif  // AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_WORLDS_H_
