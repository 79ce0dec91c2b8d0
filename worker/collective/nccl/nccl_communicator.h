// nccl_communicator.h -- collectives of GPU ranks, by NCCL.
//
// Flow: the current stream's work so far -> event -> the communicator's own
// stream runs the collective -> event -> Work::Wait makes the current stream
// wait for it. The host never waits, but for Barrier().
//
// A monitor thread watches the calls under way: NCCL's asynchronous error,
// the deadline, Abort(). Any of these aborts NCCL's communicator, so that the
// device does not hang; what it then holds is rubbish, which Health() tells.
//
// NCCL adds in the order of its rings and in the buffer's own type: all ranks
// get the same bits, and the same layout on the same machines repeats them,
// but they are not the bits of the host backends.
#ifndef AUTOTP_WORKER_COLLECTIVE_NCCL_NCCL_COMMUNICATOR_H_
#define AUTOTP_WORKER_COLLECTIVE_NCCL_NCCL_COMMUNICATOR_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "worker/collective/communicator.h"
#include "worker/collective/factory.h"

namespace autotp::collective {

// For the calling thread's current device. Rank 0 sets NCCL's id at
// "<key>/nccl". With options.parent, splits that instead: `color` is the same
// on the ranks of one new group and different on others.
absl::StatusOr<std::unique_ptr<Communicator>> CreateNcclCommunicator(
    int rank, int size, int color, const std::string& key, KeyStore& keys,
    const GroupOptions& options);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_NCCL_NCCL_COMMUNICATOR_H_
