// shared_communicator.h -- collectives of the CPU ranks of one host.
//
// Work is over when the call returns. Large calls go through the segment in
// steps; see shared_communicator.cc.
#ifndef AUTOTP_WORKER_COLLECTIVE_SHARED_COMMUNICATOR_H_
#define AUTOTP_WORKER_COLLECTIVE_SHARED_COMMUNICATOR_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "worker/collective/communicator.h"
#include "worker/collective/shared_segment.h"

namespace autotp::collective {

// Waits for the other ranks of the segment to do the same.
absl::StatusOr<std::unique_ptr<Communicator>> CreateSharedCommunicator(
    std::shared_ptr<SharedSegment> segment, int rank,
    absl::Duration form_timeout, absl::Duration call_timeout);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_SHARED_COMMUNICATOR_H_
