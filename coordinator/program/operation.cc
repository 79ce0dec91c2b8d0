#include "coordinator/program/operation.h"

#include <utility>

#include "proto/support/check.h"

namespace autotp::program {
namespace {

constexpr std::pair<Operation, absl::string_view> kNames[] = {
    {Operation::kEmbedding, "embedding"},
    {Operation::kLinear, "linear"},
    {Operation::kRmsNorm, "rms_norm"},
    {Operation::kLayerNorm, "layer_norm"},
    {Operation::kRotaryTable, "rotary_table"},
    {Operation::kRotary, "rotary"},
    {Operation::kAlibiTable, "alibi_table"},
    {Operation::kAttention, "attention"},
    {Operation::kActivation, "activation"},
    {Operation::kGatedActivation, "gated_activation"},
    {Operation::kAdd, "add"},
    {Operation::kMul, "mul"},
    {Operation::kScale, "scale"},
    {Operation::kDropout, "dropout"},
    {Operation::kReshape, "reshape"},
    {Operation::kTranspose, "transpose"},
    {Operation::kSlice, "slice"},
    {Operation::kConcat, "concat"},
    {Operation::kStack, "stack"},
    {Operation::kExpand, "expand"},
    {Operation::kRouter, "router"},
    {Operation::kExperts, "experts"},
    {Operation::kRouterLoss, "router_loss"},
    {Operation::kCrossEntropy, "cross_entropy"},
    {Operation::kCopy, "copy"},
    {Operation::kAllReduce, "all_reduce"},
    {Operation::kAllGather, "all_gather"},
    {Operation::kReduceScatter, "reduce_scatter"},
    {Operation::kTake, "take"},
};

}  // namespace

absl::string_view OperationName(Operation operation) {
  for (const auto& [known, name] : kNames)
    if (known == operation) return name;
  AUTOTP_CHECK(false, "operation ", static_cast<int>(operation));
  return "";
}

std::optional<Operation> OperationByName(absl::string_view name) {
  for (const auto& [operation, known] : kNames)
    if (known == name) return operation;
  return std::nullopt;
}

}  // namespace autotp::program
