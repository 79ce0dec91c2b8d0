// activation, gated_activation: f(x); f(gate) * up.
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/threshold_backward.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/gated.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

constexpr int64_t kGrain = 4096;  // elements worth a thread

enum class Kind { kSilu, kGelu, kGeluTanh, kRelu };

at::Tensor Apply(Kind kind, const at::Tensor& x) {
  switch (kind) {
    case Kind::kSilu:
      return at::silu(x);
    case Kind::kGelu:
      return at::gelu(x, "none");
    case Kind::kGeluTanh:
      return at::gelu(x, "tanh");
    case Kind::kRelu:
      return at::relu(x);
  }
  return x;
}

at::Tensor Differentiate(Kind kind, const at::Tensor& dy, const at::Tensor& x) {
  switch (kind) {
    case Kind::kSilu:
      return at::silu_backward(dy, x);
    case Kind::kGelu:
      return at::gelu_backward(dy, x, "none");
    case Kind::kGeluTanh:
      return at::gelu_backward(dy, x, "tanh");
    case Kind::kRelu:
      return at::threshold_backward(dy, x, 0);
  }
  return dy;
}

absl::StatusOr<Kind> ReadKind(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const std::string name,
                          Attributes(info.node).Text("kind"));
  if (name == "silu") return Kind::kSilu;
  if (name == "gelu") return Kind::kGelu;
  if (name == "gelu_tanh") return Kind::kGeluTanh;
  if (name == "relu") return Kind::kRelu;
  return absl::InvalidArgumentError(
      absl::StrCat("unknown activation '", name, "'"));
}

class Activation final : public Operation {
 public:
  explicit Activation(Kind kind) : kind_(kind) {}

  absl::Status Forward(ForwardContext& context) override {
    x_ = context.Input(0);
    context.Give(0, Apply(kind_, ToFloat(x_)));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor x = ToFloat(std::exchange(x_, at::Tensor()));
    const at::Tensor dy = context.FloatGradient(0);
    if (context.Needs(0)) context.Add(0, Differentiate(kind_, dy, x));
    return absl::OkStatus();
  }

 private:
  const Kind kind_;
  at::Tensor x_;
};

// Keeps gate and up only; their memory becomes their gradients'.
class GatedActivation final : public Operation {
 public:
  explicit GatedActivation(Kind kind) : kind_(kind) {}

  absl::Status Forward(ForwardContext& context) override {
    gate_ = context.TakeInput(0);
    up_ = context.TakeInput(1);
    const at::Tensor gate = ToFloat(gate_).contiguous();
    const at::Tensor up = ToFloat(up_).contiguous();
    if (kind_ != Kind::kSilu) {
      context.Give(0, Apply(kind_, gate).mul_(up));
      return absl::OkStatus();
    }
    at::Tensor y = at::empty_like(gate);
    const float* g = gate.const_data_ptr<float>();
    const float* u = up.const_data_ptr<float>();
    float* out = y.mutable_data_ptr<float>();
    ParallelFor(gate.numel(), kGrain, [&](int64_t begin, int64_t end) {
      kernel::GatedSiluForward(g + begin, u + begin, end - begin, out + begin);
    });
    context.Give(0, std::move(y));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.FloatGradient(0).contiguous();
    at::Tensor gate = Own(std::move(gate_));
    at::Tensor up = Own(std::move(up_));
    if (kind_ == Kind::kSilu) {
      const float* d = dy.const_data_ptr<float>();
      float* g = gate.mutable_data_ptr<float>();
      float* u = up.mutable_data_ptr<float>();
      ParallelFor(gate.numel(), kGrain, [&](int64_t begin, int64_t end) {
        kernel::GatedSiluBackward(d + begin, g + begin, u + begin, end - begin,
                                  g + begin, u + begin);
      });
    } else {
      const at::Tensor activated = Apply(kind_, gate);
      gate = Differentiate(kind_, up.mul_(dy), gate);
      up = activated.mul(dy);
    }
    if (context.Needs(0)) context.Add(0, std::move(gate));
    if (context.Needs(1)) context.Add(1, std::move(up));
    return absl::OkStatus();
  }

 private:
  // A contiguous fp32 tensor that nobody else sees.
  static at::Tensor Own(at::Tensor tensor) {
    if (tensor.scalar_type() != at::kFloat) return tensor.to(at::kFloat);
    if (IsOwned(tensor) && tensor.is_contiguous()) return tensor;
    return tensor.clone(at::MemoryFormat::Contiguous);
  }

  const Kind kind_;
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
  AUTOTP_ASSIGN_OR_RETURN(const Kind kind, ReadKind(info));
  return std::make_unique<Activation>(kind);
}

OperationOr MakeGatedActivation(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const Kind kind, ReadKind(info));
  return std::make_unique<GatedActivation>(kind);
}

}  // namespace autotp::runtime
