// activation_math.h -- activations by their kinds: f(x), and f(gate) * up.
//
// All tensors are fp32. Used by the operations of that name and by experts.
#ifndef AUTOTP_WORKER_RUNTIME_ACTIVATION_MATH_H_
#define AUTOTP_WORKER_RUNTIME_ACTIVATION_MATH_H_

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "autotp/v1/program.pb.h"

namespace autotp::runtime {

enum class ActivationKind { kSilu, kGelu, kGeluTanh, kRelu, kSigmoid };

// The node's attribute "kind".
absl::StatusOr<ActivationKind> ReadActivationKind(const v1::Node& node);

at::Tensor Activate(ActivationKind kind, const at::Tensor& x);
// The gradient of x, given that of f(x).
at::Tensor DifferentiateActivation(ActivationKind kind, const at::Tensor& dy,
                                   const at::Tensor& x);

// f(gate) * up. REQUIRES: contiguous.
at::Tensor Gate(ActivationKind kind, const at::Tensor& gate,
                const at::Tensor& up);
// `gate` and `up` become their own gradients, given that of their product.
// REQUIRES: contiguous, and nobody else sees gate and up.
void DifferentiateGate(ActivationKind kind, const at::Tensor& dy,
                       at::Tensor& gate, at::Tensor& up);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_ACTIVATION_MATH_H_
