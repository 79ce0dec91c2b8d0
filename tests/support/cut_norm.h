// cut_norm.h -- the root mean square norm whose columns lie on several ranks,
// in double precision, for program_interpreter.h.
#ifndef AUTOTP_TESTS_SUPPORT_CUT_NORM_H_
#define AUTOTP_TESTS_SUPPORT_CUT_NORM_H_

#include <vector>

#include "tests/support/program_kernels.h"

namespace autotp::testing {

// One entry per rank, in and out.
std::vector<Tensor> CutRmsNormForward(const program::Node& node,
                                      const std::vector<TensorPointers>& ranks);
std::vector<std::vector<Tensor>> CutRmsNormBackward(
    const program::Node& node, const std::vector<TensorPointers>& ranks,
    const std::vector<Tensor>& gradients);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_CUT_NORM_H_
