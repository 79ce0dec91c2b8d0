// activation, gated_activation: f(x); f(gate) * up.
#include <ATen/ops/clamp.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>

#include "absl/status/status.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/activation_math.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

class Activation final : public Operation {
 public:
  explicit Activation(ActivationKind kind) : kind_(kind) {}

  absl::Status Forward(ForwardContext& context) override {
    x_ = context.Input(0);
    if (!context.Wants(0)) return absl::OkStatus();
    context.Give(0, Activate(kind_, ToFloat(x_)));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor x = ToFloat(std::exchange(x_, at::Tensor()));
    const at::Tensor dy = context.FloatGradient(0);
    if (context.Needs(0)) context.Add(0, DifferentiateActivation(kind_, dy, x));
    return absl::OkStatus();
  }

  void Forget() override { x_ = at::Tensor(); }

 private:
  const ActivationKind kind_;
  at::Tensor x_;
};

// Keeps gate and up only; their memory becomes their gradients'.
class GatedActivation final : public Operation {
 public:
  explicit GatedActivation(ActivationKind kind) : kind_(kind) {}

  absl::Status Forward(ForwardContext& context) override {
    gate_ = context.TakeInput(0);
    up_ = context.TakeInput(1);
    if (!context.Wants(0)) return absl::OkStatus();
    context.Give(
        0, Gate(kind_, ToFloat(gate_).contiguous(), ToFloat(up_).contiguous()));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.FloatGradient(0).contiguous();
    at::Tensor gate = Own(std::move(gate_));
    at::Tensor up = Own(std::move(up_));
    DifferentiateGate(kind_, dy, gate, up);
    if (context.Needs(0)) context.Add(0, std::move(gate));
    if (context.Needs(1)) context.Add(1, std::move(up));
    return absl::OkStatus();
  }

  void Forget() override { gate_ = up_ = at::Tensor(); }

 private:
  // A contiguous fp32 tensor that nobody else sees.
  static at::Tensor Own(at::Tensor tensor) {
    if (tensor.scalar_type() != at::kFloat) return tensor.to(at::kFloat);
    if (IsOwned(tensor) && tensor.is_contiguous()) return tensor;
    return tensor.clone(at::MemoryFormat::Contiguous);
  }

  const ActivationKind kind_;
  at::Tensor gate_;
  at::Tensor up_;
};

// limit * tanh(x / limit): keeps tanh(x / limit), not x.
class SoftCap final : public Operation {
 public:
  explicit SoftCap(double limit) : limit_(limit) {}

  absl::Status Forward(ForwardContext& context) override {
    bent_ = context.FloatInput(0).div(limit_).tanh_();
    context.Give(0, bent_.mul(limit_));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor bent = std::exchange(bent_, at::Tensor());
    const at::Tensor dy = context.FloatGradient(0);
    if (context.Needs(0)) context.Add(0, at::tanh_backward(dy, bent));
    return absl::OkStatus();
  }

  void Forget() override { bent_ = at::Tensor(); }

 private:
  const double limit_;
  at::Tensor bent_;
};

// To [-limit, limit]; what lies beyond has no gradient.
class Clamp final : public Operation {
 public:
  explicit Clamp(double limit) : limit_(limit) {}

  absl::Status Forward(ForwardContext& context) override {
    const at::Tensor x = context.FloatInput(0);
    within_ = x.abs().le(limit_);
    context.Give(0, x.clamp(-limit_, limit_));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor within = std::exchange(within_, at::Tensor());
    const at::Tensor dy = context.FloatGradient(0);
    if (context.Needs(0)) context.Add(0, dy.mul(within));
    return absl::OkStatus();
  }

  void Forget() override { within_ = at::Tensor(); }

 private:
  const double limit_;
  at::Tensor within_;
};

}  // namespace

OperationOr MakeActivation(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const std::string name, attributes.Text("kind"));
  if (name == "soft_cap" || name == "clamp") {
    AUTOTP_ASSIGN_OR_RETURN(const double limit, attributes.Number("limit"));
    if (name == "clamp") return std::make_unique<Clamp>(limit);
    return std::make_unique<SoftCap>(limit);
  }
  AUTOTP_ASSIGN_OR_RETURN(const ActivationKind kind,
                          ReadActivationKind(info.node));
  return std::make_unique<Activation>(kind);
}

OperationOr MakeGatedActivation(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const ActivationKind kind,
                          ReadActivationKind(info.node));
  return std::make_unique<GatedActivation>(kind);
}

}  // namespace autotp::runtime
