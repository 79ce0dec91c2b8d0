// arguments.h -- what every backend asks of the arguments of a call.
//
// A wrong call is refused before anything is sent: INVALID_ARGUMENT, and the
// communicator stays usable.
#ifndef AUTOTP_WORKER_COLLECTIVE_ARGUMENTS_H_
#define AUTOTP_WORKER_COLLECTIVE_ARGUMENTS_H_

#include "worker/collective/communicator.h"

namespace autotp::collective {

// Bytes can be moved, not reduced.
absl::Status CheckReducible(const Buffer& buffer);
// `whole` is `size` parts of the type and count of `part`.
absl::Status CheckParts(const Buffer& whole, const Buffer& part, int size);
absl::Status CheckRoot(int root, int size);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_ARGUMENTS_H_
