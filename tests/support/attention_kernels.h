// attention_kernels.h -- attention in double precision, forward and backward,
// for program_kernels.h: one query after the other, as operation.h says it.
#ifndef AUTOTP_TESTS_SUPPORT_ATTENTION_KERNELS_H_
#define AUTOTP_TESTS_SUPPORT_ATTENTION_KERNELS_H_

#include <vector>

#include "tests/support/program_kernels.h"

namespace autotp::testing {

Tensor Attention(const program::Node& node, const TensorPointers& inputs);

// Gradients of q, k and v; zeros of the bias.
std::vector<Tensor> AttentionBackward(const program::Node& node,
                                      const TensorPointers& inputs,
                                      const Tensor& gradient);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_ATTENTION_KERNELS_H_
