// mixture_kernels.h -- router, experts and router_loss for program_kernels.h.
#ifndef AUTOTP_TESTS_SUPPORT_MIXTURE_KERNELS_H_
#define AUTOTP_TESTS_SUPPORT_MIXTURE_KERNELS_H_

#include <vector>

#include "tests/support/program_kernels.h"

namespace autotp::testing {

// Weights and experts; `bias` may be null.
std::vector<Tensor> RouterForward(const program::Node& node,
                                  const Tensor& logits, const Tensor* bias);
std::vector<Tensor> RouterBackward(const program::Node& node,
                                   const Tensor& logits, const Tensor* bias,
                                   const Tensor& gradient);

Tensor ExpertsForward(const program::Node& node, const TensorPointers& inputs);
std::vector<Tensor> ExpertsBackward(const program::Node& node,
                                    const TensorPointers& inputs,
                                    const Tensor& gradient);

Tensor RouterLossForward(const program::Node& node,
                         const TensorPointers& logits);
std::vector<Tensor> RouterLossBackward(const program::Node& node,
                                       const TensorPointers& logits,
                                       const Tensor& gradient);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_MIXTURE_KERNELS_H_
