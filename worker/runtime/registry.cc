#include "worker/runtime/registry.h"

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

OperationFactory FindFactory(absl::string_view name) {
  static const auto* const factories =
      new std::map<absl::string_view, OperationFactory>{
          {"embedding", MakeEmbedding},
          {"linear", MakeLinear},
          {"rms_norm", MakeRmsNorm},
          {"layer_norm", MakeLayerNorm},
          {"rotary_table", MakeRotaryTable},
          {"rotary", MakeRotary},
          {"alibi_table", MakeAlibiTable},
          {"attention", MakeAttention},
          {"activation", MakeActivation},
          {"gated_activation", MakeGatedActivation},
          {"add", MakeAdd},
          {"mul", MakeMul},
          {"scale", MakeScale},
          {"dropout", MakeDropout},
          {"reshape", MakeReshape},
          {"transpose", MakeTranspose},
          {"slice", MakeSlice},
          {"concat", MakeConcat},
          {"stack", MakeStack},
          {"expand", MakeExpand},
          {"router", MakeRouter},
          {"experts", MakeExperts},
          {"router_loss", MakeRouterLoss},
          {"cross_entropy", MakeCrossEntropy},
          {"copy", MakeCopy},
          {"all_reduce", MakeAllReduce},
          {"all_gather", MakeAllGather},
          {"reduce_scatter", MakeReduceScatter},
          {"take", MakeTake},
      };
  const auto found = factories->find(name);
  return found == factories->end() ? nullptr : found->second;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Operation>> MakeOperation(const NodeInfo& info) {
  const OperationFactory factory = FindFactory(info.node.operation());
  if (factory == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown operation '", info.node.operation(),
                     "': worker and coordinator are of different versions"));
  }
  return factory(info);
}

}  // namespace autotp::runtime
