// registry.h -- operations by the names of coordinator/program/operation.h,
// and those of ATen as "aten.NAME.OVERLOAD".
#ifndef AUTOTP_WORKER_RUNTIME_REGISTRY_H_
#define AUTOTP_WORKER_RUNTIME_REGISTRY_H_

#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/operation.h"

namespace autotp::runtime {

// INVALID_ARGUMENT: no such operation, or a wrong attribute.
absl::StatusOr<std::unique_ptr<Operation>> MakeOperation(const NodeInfo& info);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_REGISTRY_H_
