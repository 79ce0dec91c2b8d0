// copy, all_reduce: a tensor-parallel group's sums of whole values.
#include <ATen/core/Tensor.h>

#include "proto/support/status_macros.h"
#include "worker/runtime/operations/exchange.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

// The sum over the ranks, in the tensor's own memory if nobody else sees it.
absl::StatusOr<at::Tensor> Sum(at::Tensor tensor,
                               collective::Communicator* group) {
  if (group == nullptr) return tensor;
  if (!IsOwned(tensor) || !tensor.is_contiguous())
    tensor = tensor.clone(at::MemoryFormat::Contiguous);
  AUTOTP_RETURN_IF_ERROR(
      group->AllReduce(BufferOf(tensor), collective::Reduction::kSum)->Wait());
  return tensor;
}

class Copy final : public Operation {
 public:
  explicit Copy(collective::Communicator* group) : group_(group) {}

  absl::Status Forward(ForwardContext& context) override {
    context.Give(0, context.TakeInput(0));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    AUTOTP_ASSIGN_OR_RETURN(at::Tensor sum,
                            Sum(context.TakeGradient(0), group_));
    if (context.Needs(0)) context.Add(0, std::move(sum));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  collective::Communicator* const group_;
};

class AllReduce final : public Operation {
 public:
  explicit AllReduce(collective::Communicator* group) : group_(group) {}

  absl::Status Forward(ForwardContext& context) override {
    AUTOTP_ASSIGN_OR_RETURN(at::Tensor sum, Sum(context.TakeInput(0), group_));
    context.Give(0, std::move(sum));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    at::Tensor dy = context.TakeGradient(0);
    if (context.Needs(0)) context.Add(0, std::move(dy));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  collective::Communicator* const group_;
};

}  // namespace

OperationOr MakeCopy(const NodeInfo& info) {
  return std::make_unique<Copy>(info.tensor_group);
}

OperationOr MakeAllReduce(const NodeInfo& info) {
  return std::make_unique<AllReduce>(info.tensor_group);
}

}  // namespace autotp::runtime
