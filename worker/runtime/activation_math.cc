#include "worker/runtime/activation_math.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sigmoid_backward.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/threshold_backward.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/gated.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

constexpr int64_t kGrain = 4096;  // elements worth a thread

}  // namespace

absl::StatusOr<ActivationKind> ReadActivationKind(const v1::Node& node) {
  AUTOTP_ASSIGN_OR_RETURN(const std::string name,
                          Attributes(node).Text("kind"));
  if (name == "silu") return ActivationKind::kSilu;
  if (name == "gelu") return ActivationKind::kGelu;
  if (name == "gelu_tanh") return ActivationKind::kGeluTanh;
  if (name == "relu") return ActivationKind::kRelu;
  if (name == "sigmoid") return ActivationKind::kSigmoid;
  return absl::InvalidArgumentError(
      absl::StrCat("unknown activation '", name, "'"));
}

at::Tensor Activate(ActivationKind kind, const at::Tensor& x) {
  switch (kind) {
    case ActivationKind::kSilu:
      return at::silu(x);
    case ActivationKind::kGelu:
      return at::gelu(x, "none");
    case ActivationKind::kGeluTanh:
      return at::gelu(x, "tanh");
    case ActivationKind::kRelu:
      return at::relu(x);
    case ActivationKind::kSigmoid:
      return at::sigmoid(x);
  }
  return x;
}

at::Tensor DifferentiateActivation(ActivationKind kind, const at::Tensor& dy,
                                   const at::Tensor& x) {
  switch (kind) {
    case ActivationKind::kSilu:
      return at::silu_backward(dy, x);
    case ActivationKind::kGelu:
      return at::gelu_backward(dy, x, "none");
    case ActivationKind::kGeluTanh:
      return at::gelu_backward(dy, x, "tanh");
    case ActivationKind::kRelu:
      return at::threshold_backward(dy, x, 0);
    case ActivationKind::kSigmoid:
      return at::sigmoid_backward(dy, at::sigmoid(x));
  }
  return dy;
}

at::Tensor Gate(ActivationKind kind, const at::Tensor& gate,
                const at::Tensor& up) {
  if (kind != ActivationKind::kSilu) return Activate(kind, gate).mul_(up);
  at::Tensor y = at::empty_like(gate);
  const float* g = gate.const_data_ptr<float>();
  const float* u = up.const_data_ptr<float>();
  float* out = y.mutable_data_ptr<float>();
  ParallelFor(gate.numel(), kGrain, [&](int64_t begin, int64_t end) {
    kernel::GatedSiluForward(g + begin, u + begin, end - begin, out + begin);
  });
  return y;
}

void DifferentiateGate(ActivationKind kind, const at::Tensor& dy,
                       at::Tensor& gate, at::Tensor& up) {
  if (kind != ActivationKind::kSilu) {
    const at::Tensor activated = Activate(kind, gate);
    gate = DifferentiateActivation(kind, up.mul_(dy), gate);
    up = activated.mul(dy);
    return;
  }
  const float* d = dy.const_data_ptr<float>();
  float* g = gate.mutable_data_ptr<float>();
  float* u = up.mutable_data_ptr<float>();
  ParallelFor(gate.numel(), kGrain, [&](int64_t begin, int64_t end) {
    kernel::GatedSiluBackward(d + begin, g + begin, u + begin, end - begin,
                              g + begin, u + begin);
  });
}

}  // namespace autotp::runtime
