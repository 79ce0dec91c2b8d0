// rendezvous.h -- the keys by which an attempt's trainers find each other.
//
// They live in memory with the attempt and die with it. Groups already formed
// need them no more; groups still forming after a coordinator restart form
// again in a new attempt.
#ifndef AUTOTP_COORDINATOR_CORE_RENDEZVOUS_H_
#define AUTOTP_COORDINATOR_CORE_RENDEZVOUS_H_

#include <string>

#include "absl/status/status.h"
#include "coordinator/core/attempts.h"

namespace autotp::core {

// First writer wins; the same bytes again are OK.
//   INVALID_ARGUMENT    empty key
//   ALREADY_EXISTS      the key holds other bytes
//   RESOURCE_EXHAUSTED  too many keys or too large a value
absl::Status SetKey(Change change, Job& job, const std::string& key,
                    const std::string& value);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_RENDEZVOUS_H_
