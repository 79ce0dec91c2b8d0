// shared_group.h -- a rank's place in a group over shared memory, for ranks
// that are threads of a test.
#ifndef AUTOTP_TESTS_SUPPORT_SHARED_GROUP_H_
#define AUTOTP_TESTS_SUPPORT_SHARED_GROUP_H_

#include <unistd.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "tests/support/no_keys.h"
#include "worker/collective/factory.h"

namespace autotp::testing {

// `memory`: what CreateSharedMemory(size) gave, the same for all; stays the
// caller's.
inline absl::StatusOr<std::unique_ptr<collective::Communicator>>
JoinSharedGroup(const std::string& key, int size, int rank, int memory) {
  v1::ProcessGroup group;
  group.set_key(key);
  for (int i = 0; i < size; ++i) group.add_ranks(i);
  group.set_backend(v1::ProcessGroup::BACKEND_SHARED_MEMORY);
  collective::GroupOptions options;
  options.memory_descriptor = dup(memory);
  NoKeys keys;
  return collective::CreateCommunicator(group, rank, keys, options);
}

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_SHARED_GROUP_H_
