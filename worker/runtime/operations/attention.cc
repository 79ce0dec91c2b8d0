// attention: softmax(q k^T scale, causal) v by ATen's blocked CPU kernel.
//
// Fewer key and value heads than query heads are repeated in front of the
// kernel and their gradients summed behind it.
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/zeros.h>

#include <limits>
#include <optional>

#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

at::Tensor RepeatHeads(const at::Tensor& x, int64_t heads) {
  const int64_t groups = x.size(1);
  if (groups == heads) return x;
  return x.unsqueeze(2)
      .expand({x.size(0), groups, heads / groups, x.size(2), x.size(3)})
      .reshape({x.size(0), heads, x.size(2), x.size(3)});
}

at::Tensor SumHeads(const at::Tensor& x, int64_t groups) {
  const int64_t heads = x.size(1);
  if (groups == heads) return x;
  return x.unflatten(1, {groups, heads / groups}).sum(2);
}

class Attention final : public Operation {
 public:
  Attention(double scale, int64_t window) : scale_(scale), window_(window) {}

  absl::Status Forward(ForwardContext& context) override {
    q_ = context.Input(0);
    k_ = context.Input(1);
    v_ = context.Input(2);
    const int64_t tokens = q_.size(2);
    if (window_ > 0 && window_ < tokens && !mask_.defined())
      mask_ = MakeMask(tokens);
    at::Tensor y;
    std::tie(y, log_sum_) = at::_scaled_dot_product_flash_attention_for_cpu(
        ToFloat(q_), Keys(k_), Keys(v_), 0.0, !mask_.defined(), Mask(), scale_);
    y_ = y;
    context.Give(0, std::move(y));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.FloatGradient(0);
    const int64_t groups = k_.size(1);
    auto [dq, dk, dv] =
        at::_scaled_dot_product_flash_attention_for_cpu_backward(
            dy, ToFloat(q_), Keys(k_), Keys(v_), y_, log_sum_, 0.0,
            !mask_.defined(), Mask(), scale_);
    q_ = k_ = v_ = y_ = log_sum_ = at::Tensor();
    if (context.Needs(0)) context.Add(0, std::move(dq));
    if (context.Needs(1)) context.Add(1, SumHeads(dk, groups));
    if (context.Needs(2)) context.Add(2, SumHeads(dv, groups));
    return absl::OkStatus();
  }

 private:
  at::Tensor Keys(const at::Tensor& x) const {
    return RepeatHeads(ToFloat(x), q_.size(1));
  }

  std::optional<at::Tensor> Mask() const {
    return mask_.defined() ? std::optional<at::Tensor>(mask_) : std::nullopt;
  }

  at::Tensor MakeMask(int64_t tokens) const {
    at::Tensor mask = at::zeros({tokens, tokens}, at::kFloat);
    float* at = mask.mutable_data_ptr<float>();
    for (int64_t query = 0; query < tokens; ++query) {
      for (int64_t key = 0; key < tokens; ++key) {
        if (key > query || key <= query - window_) {
          at[query * tokens + key] = -std::numeric_limits<float>::infinity();
        }
      }
    }
    return mask;
  }

  const double scale_;
  const int64_t window_;  // 0: none
  at::Tensor mask_;       // constant, made on first use
  at::Tensor q_, k_, v_, y_, log_sum_;
};

}  // namespace

OperationOr MakeAttention(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const double scale, attributes.Number("scale"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t window,
                          attributes.Integer("window", 0));
  return std::make_unique<Attention>(scale, window);
}

}  // namespace autotp::runtime
