// grpc_status.h -- the one place where gRPC's status and ours meet.
//
// The codes have the same numbers; payloads do not travel.
#ifndef AUTOTP_PROTO_SUPPORT_GRPC_STATUS_H_
#define AUTOTP_PROTO_SUPPORT_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace autotp {

grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace autotp

#endif  // AUTOTP_PROTO_SUPPORT_GRPC_STATUS_H_
