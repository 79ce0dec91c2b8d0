// dropout_kernels.h -- dropout for program_kernels.h: the masks of a run with
// one seed, another generator's than the worker's, but as theirs a function of
// the stream and of the place in the whole value.
#ifndef AUTOTP_TESTS_SUPPORT_DROPOUT_KERNELS_H_
#define AUTOTP_TESTS_SUPPORT_DROPOUT_KERNELS_H_

#include <cstdint>
#include <vector>

#include "tests/support/program_kernels.h"

namespace autotp::testing {

// x times its mask; of the gradient, the same.
Tensor Dropout(const program::Node& node, const Tensor& x);

// Factors of the softmax [heads, T, S] of sequence `b`, for this rank's heads;
// empty: nothing is dropped.
std::vector<double> SoftmaxFactors(const program::Node& node, int64_t b,
                                   int64_t heads, int64_t tokens, int64_t keys);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_DROPOUT_KERNELS_H_
