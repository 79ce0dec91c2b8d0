// options.h -- what a user sets of a worker, checked.
//
// Flow: main.cc fills WorkerOptions from flags -> Resolve() -> agent.h.
#ifndef AUTOTP_WORKER_AGENT_OPTIONS_H_
#define AUTOTP_WORKER_AGENT_OPTIONS_H_

#include <string>

#include "absl/status/status.h"

namespace autotp::agent {

struct WorkerOptions {
  std::string coordinator;  // host:port or unix:/path
  int slots = 1;
  std::string name;            // empty: the host's name
  std::string device = "cpu";  // or cuda
  std::string data_address;    // empty: the address that faces the coordinator
  std::string trainer_binary;  // empty: autotp-trainer beside this program
};

// Fills in what was left empty; reads this host's names, addresses and files.
//   INVALID_ARGUMENT  a message for the user
absl::Status Resolve(WorkerOptions* options);

// Threads for each of `slots` trainers on `cores` cores; at least one.
int ThreadsPerSlot(int cores, int slots);

// Cores that this process may run on.
int UsableCores();

int64_t HostMemoryBytes();
std::string HostName();

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_OPTIONS_H_
