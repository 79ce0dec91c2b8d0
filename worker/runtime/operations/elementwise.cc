// add, mul, scale: with broadcasting of the second operand.
#include <ATen/ExpandUtils.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

class Add final : public Operation {
 public:
  absl::Status Forward(ForwardContext& context) override {
    const at::Tensor b = context.FloatInput(1);
    b_shape_ = b.sizes().vec();
    at::Tensor a = context.TakeInput(0);
    if (a.scalar_type() == at::kFloat && IsOwned(a)) {
      context.Give(0, a.add_(b));
    } else {
      context.Give(0, ToFloat(a).add(b));
    }
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    at::Tensor dy = context.TakeGradient(0);
    if (context.Needs(1)) context.Add(1, at::sum_to(dy, b_shape_));
    if (context.Needs(0)) context.Add(0, std::move(dy));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  std::vector<int64_t> b_shape_;
};

class Mul final : public Operation {
 public:
  absl::Status Forward(ForwardContext& context) override {
    a_ = context.Input(0);
    b_ = context.Input(1);
    if (!context.Wants(0)) return absl::OkStatus();
    context.Give(0, ToFloat(a_).mul(ToFloat(b_)));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.FloatGradient(0);
    const at::Tensor a = ToFloat(std::exchange(a_, at::Tensor()));
    const at::Tensor b = ToFloat(std::exchange(b_, at::Tensor()));
    if (context.Needs(1)) context.Add(1, at::sum_to(dy.mul(a), b.sizes()));
    if (context.Needs(0)) context.Add(0, dy.mul(b));
    return absl::OkStatus();
  }

  void Forget() override { a_ = b_ = at::Tensor(); }

 private:
  at::Tensor a_;
  at::Tensor b_;
};

class Scale final : public Operation {
 public:
  Scale(double factor, bool rounded) : factor_(factor), rounded_(rounded) {}

  absl::Status Forward(ForwardContext& context) override {
    if (rounded_) RoundTo(context.Input(0).scalar_type());
    context.Give(0, context.FloatInput(0).mul(factor_));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.FloatGradient(0);
    if (context.Needs(0)) context.Add(0, dy.mul(factor_));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  void RoundTo(at::ScalarType type) {
    const auto factor = static_cast<float>(factor_);
    if (type == at::kBFloat16)
      factor_ = static_cast<float>(c10::BFloat16(factor));
    if (type == at::kHalf) factor_ = static_cast<float>(c10::Half(factor));
  }

  double factor_;
  const bool rounded_;
};

}  // namespace

OperationOr MakeAdd(const NodeInfo&) { return std::make_unique<Add>(); }

OperationOr MakeMul(const NodeInfo&) { return std::make_unique<Mul>(); }

OperationOr MakeScale(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const double factor, attributes.Number("factor"));
  AUTOTP_ASSIGN_OR_RETURN(const bool rounded,
                          attributes.Flag("rounded", false));
  return std::make_unique<Scale>(factor, rounded);
}

}  // namespace autotp::runtime
