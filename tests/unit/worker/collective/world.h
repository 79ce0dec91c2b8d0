// world.h -- runs a function as every rank of a group, over any backend.
#ifndef AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_WORLD_H_
#define AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_WORLD_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "worker/collective/communicator.h"
#include "worker/collective/factory.h"

namespace autotp::collective {

enum class RanksAre { kThreads, kProcesses };

struct World {
  v1::ProcessGroup::Backend backend;
  RanksAre ranks_are;
  int size;
  int absent_rank = -1;  // never comes; its status is OK
};

// "shared_memory_processes_3"
std::string NameOf(const World& world);

// Quick timeouts, so that a hanging backend fails a test in seconds; plug-ins
// from this build, with the fake NCCL.
GroupOptions OptionsFor(const World& world);

// Errors of a body are what went wrong, in words: it may run in a child.
using RankBody = std::function<absl::Status(Communicator& communicator)>;

// Each rank forms the group by CreateCommunicator, runs `body` and destroys
// the communicator. Returns every rank's status. A child that ends by itself
// (_exit) yields CANCELLED.
std::vector<absl::Status> RunRanks(const World& world, const RankBody& body,
                                   GroupOptions options);

// Waits for `work` as a caller would before it looks at its buffers.
absl::Status Finish(Communicator& communicator, std::unique_ptr<Work> work);

// OK if `condition`, else INTERNAL with `what`.
absl::Status Expect(bool condition, const std::string& what);

}  // namespace autotp::collective

#endif  // AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_WORLD_H_
