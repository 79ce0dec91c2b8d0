// expand: the one position of a dimension, repeated.
#include <ATen/ops/sum.h>

#include <utility>

#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

class Expand final : public Operation {
 public:
  Expand(int64_t dim, std::vector<int64_t> shape)
      : dim_(dim), shape_(std::move(shape)) {}

  absl::Status Forward(ForwardContext& context) override {
    // Repeated in memory: nobody else may write into a shared position.
    context.Give(0, context.Input(0).expand(shape_).contiguous());
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.FloatGradient(0);
    if (context.Needs(0)) context.Add(0, at::sum(dy, dim_, /*keepdim=*/true));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  const int64_t dim_;
  const std::vector<int64_t> shape_;
};

}  // namespace

OperationOr MakeExpand(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const int64_t dim,
                          Attributes(info.node).Integer("dim"));
  return std::make_unique<Expand>(dim, OutputShape(info, 0));
}

}  // namespace autotp::runtime
