// lamb_update.h -- Lamb over this rank's ranges: moments, the norms of whole
// parameters summed over the ranks that have a part, then weights.
#ifndef AUTOTP_WORKER_ZERO_LAMB_UPDATE_H_
#define AUTOTP_WORKER_ZERO_LAMB_UPDATE_H_

#include <vector>

#include "absl/status/status.h"
#include "worker/zero/element_loop.h"

namespace autotp::zero {

// A collective call of both groups. `ranges`: all of this rank's.
absl::Status UpdateLamb(const UpdateContext& context,
                        const std::vector<UpdateRange>& ranges);

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_LAMB_UPDATE_H_
