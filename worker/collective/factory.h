// factory.h -- makes the communicator that the coordinator has named.
#ifndef AUTOTP_WORKER_COLLECTIVE_FACTORY_H_
#define AUTOTP_WORKER_COLLECTIVE_FACTORY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "autotp/v1/assignment.pb.h"
#include "worker/collective/communicator.h"

namespace autotp::collective {

// The coordinator's rendezvous, as a trainer sees it. Thread-safe.
class KeyStore {
 public:
  virtual ~KeyStore() = default;
  virtual absl::Status Set(const std::string& key,
                           const std::string& value) = 0;
  // Waits up to `timeout`; DEADLINE_EXCEEDED if the key did not come.
  virtual absl::StatusOr<std::string> Get(const std::string& key,
                                          absl::Duration timeout) = 0;
};

struct GroupOptions {
  absl::Duration form_timeout = absl::Seconds(60);   // to meet the peers
  absl::Duration call_timeout = absl::Seconds(300);  // for one collective
  int memory_descriptor = -1;  // shared memory: the group's segment (memfd)
  std::string data_address;    // Gloo: where peers reach this host
  // Where the plug-ins lie; empty: beside the program.
  std::string plugin_directory;
  std::string nccl_library = "libnccl.so.2";
  // NCCL: a larger group whose ranks all form their groups now, of the same
  // name; splitting is quicker than meeting anew. Null: meet by the keys.
  Communicator* parent = nullptr;
};

// `rank` is the rank in the world; its place in group.ranks() is its rank in
// the group. Keys are set below group.key().
//   UNIMPLEMENTED  this build or machine lacks the backend
absl::StatusOr<std::unique_ptr<Communicator>> CreateCommunicator(
    const v1::ProcessGroup& group, int rank, KeyStore& keys,
    const GroupOptions& options);

// A segment for one group of `ranks` ranks and one attempt, closed on exec. The
// agent makes it and passes the descriptor to each trainer of the group.
absl::StatusOr<int> CreateSharedMemory(int ranks);
// For the agent, when a trainer has died: wakes every waiter with an error.
void AbortSharedMemory(int descriptor);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_FACTORY_H_
