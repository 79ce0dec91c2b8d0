// gloo_communicator.h -- collectives of CPU ranks on several hosts, over TCP.
//
// Work is over when the call returns. Every rank talks to every other one
// directly: groups across hosts are small, and sums stay in rank order.
#ifndef AUTOTP_WORKER_COLLECTIVE_GLOO_GLOO_COMMUNICATOR_H_
#define AUTOTP_WORKER_COLLECTIVE_GLOO_GLOO_COMMUNICATOR_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "worker/collective/communicator.h"
#include "worker/collective/factory.h"

namespace autotp::collective {

// Meets the other ranks under "<key>/gloo/". Peers reach this rank at
// options.data_address.
absl::StatusOr<std::unique_ptr<Communicator>> CreateGlooCommunicator(
    int rank, int size, const std::string& key, KeyStore& keys,
    const GroupOptions& options);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_GLOO_GLOO_COMMUNICATOR_H_
