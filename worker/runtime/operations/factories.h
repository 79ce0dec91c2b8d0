// factories.h -- one maker per operation; registry.cc gives them their names.
#ifndef AUTOTP_WORKER_RUNTIME_OPERATIONS_FACTORIES_H_
#define AUTOTP_WORKER_RUNTIME_OPERATIONS_FACTORIES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/operation.h"

namespace autotp::runtime {

using OperationOr = absl::StatusOr<std::unique_ptr<Operation>>;

OperationOr MakeEmbedding(const NodeInfo& info);
OperationOr MakeLinear(const NodeInfo& info);
OperationOr MakeRmsNorm(const NodeInfo& info);
OperationOr MakeLayerNorm(const NodeInfo& info);
OperationOr MakeRotaryTable(const NodeInfo& info);
OperationOr MakeRotary(const NodeInfo& info);
OperationOr MakeAlibiTable(const NodeInfo& info);
OperationOr MakeAttention(const NodeInfo& info);
OperationOr MakeActivation(const NodeInfo& info);
OperationOr MakeGatedActivation(const NodeInfo& info);
OperationOr MakeAdd(const NodeInfo& info);
OperationOr MakeMul(const NodeInfo& info);
OperationOr MakeScale(const NodeInfo& info);
OperationOr MakeDropout(const NodeInfo& info);
OperationOr MakeReshape(const NodeInfo& info);
OperationOr MakeTranspose(const NodeInfo& info);
OperationOr MakeSlice(const NodeInfo& info);
OperationOr MakeConcat(const NodeInfo& info);
OperationOr MakeStack(const NodeInfo& info);
OperationOr MakeExpand(const NodeInfo& info);
OperationOr MakeRouter(const NodeInfo& info);
OperationOr MakeExperts(const NodeInfo& info);
OperationOr MakeRouterLoss(const NodeInfo& info);
OperationOr MakeCrossEntropy(const NodeInfo& info);
OperationOr MakeCopy(const NodeInfo& info);
OperationOr MakeAllReduce(const NodeInfo& info);
OperationOr MakeAllGather(const NodeInfo& info);
OperationOr MakeReduceScatter(const NodeInfo& info);
OperationOr MakeTake(const NodeInfo& info);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_OPERATIONS_FACTORIES_H_
