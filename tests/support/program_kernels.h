// program_kernels.h -- every operation of a program in double precision,
// forward and backward, for program_interpreter.h.
#ifndef AUTOTP_TESTS_SUPPORT_PROGRAM_KERNELS_H_
#define AUTOTP_TESTS_SUPPORT_PROGRAM_KERNELS_H_

#include <cstdint>
#include <vector>

#include "tests/support/program_interpreter.h"

namespace autotp::testing {

using TensorPointers = std::vector<const Tensor*>;  // null where absent

// What the node's outputs hold. REQUIRES: no collective and no cross-entropy;
// shapes that passed CheckProgram.
std::vector<Tensor> Forward(const program::Node& node,
                            const TensorPointers& inputs);

// Gradients of the inputs (empty for indices), given that of output 0.
std::vector<Tensor> Backward(const program::Node& node,
                             const TensorPointers& inputs,
                             const Tensor& gradient);

// An activation by the node's kind, and its derivative.
double Activate(const program::Node& node, double x);
double ActivateSlope(const program::Node& node, double x);

// The loss over logits that are cut by vocabulary: one entry per rank.
struct LossParts {
  double loss = 0;
  std::vector<double> log_sums;  // [B * T]: log of the sum of exponentials
};
LossParts CrossEntropyForward(const std::vector<const program::Node*>& nodes,
                              const TensorPointers& logits,
                              const Tensor& labels);
Tensor CrossEntropyBackward(const program::Node& node, const Tensor& logits,
                            const Tensor& labels, const LossParts& parts,
                            double gradient);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_PROGRAM_KERNELS_H_
