// aten_gradient.h -- the gradient of one call of ATen, by LibTorch's autograd.
//
// Flow: Aten::Forward() -> Record() runs a call with inputs that ask for
// gradients -> Aten::Backward() -> Take().
//
// The graph reaches from the call's outputs to its inputs and no further. It
// holds what the call's own backward needs, and neither the inputs nor the
// outputs beyond that; Take() frees it.
#ifndef AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_GRADIENT_H_
#define AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_GRADIENT_H_

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/edge.h>

#include <functional>
#include <vector>

#include "absl/types/span.h"

namespace autotp::runtime {

class AtenGradient {
 public:
  using Call =
      std::function<std::vector<at::Tensor>(absl::Span<const at::Tensor>)>;

  // The outputs of call(inputs). `needs[i]`: input i is of a float type and a
  // gradient is wanted of it.
  std::vector<at::Tensor> Record(absl::Span<const at::Tensor> inputs,
                                 const std::vector<bool>& needs,
                                 const Call& call);

  // Per input its gradient, undefined where there is none, given those of the
  // outputs, undefined where there is none. The same bits every time.
  std::vector<at::Tensor> Take(std::vector<at::Tensor> output_gradients);

 private:
  std::vector<torch::autograd::Edge> inputs_;   // invalid: no gradient wanted
  std::vector<torch::autograd::Edge> outputs_;  // invalid: depends on none
};

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_GRADIENT_H_
