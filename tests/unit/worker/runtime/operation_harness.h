// operation_harness.h -- runs one operation on given tensors, and its ATen
// reference under autograd, and compares outputs and gradients.
#ifndef AUTOTP_TESTS_UNIT_WORKER_RUNTIME_OPERATION_HARNESS_H_
#define AUTOTP_TESTS_UNIT_WORKER_RUNTIME_OPERATION_HARNESS_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "autotp/v1/program.pb.h"
#include "worker/collective/communicator.h"
#include "worker/runtime/operation.h"

namespace autotp::testing {

inline constexpr int kSeed = 11;
// What dropout draws from.
inline constexpr runtime::RandomSource kRandomSource = {5, 7};

// One node of a program of its own: inputs are values 0, 1, ..., its outputs
// follow.
class OneNode {
 public:
  explicit OneNode(const std::string& operation);
  OneNode& Set(const std::string& name, int64_t value);
  OneNode& Set(const std::string& name, double value);
  OneNode& Set(const std::string& name, bool value);
  OneNode& Set(const std::string& name, const std::string& value);
  OneNode& Set(const std::string& name, const std::vector<int64_t>& value);
  OneNode& Set(const std::string& name, const std::vector<double>& value);
  const v1::Node& node() const { return node_; }

 private:
  v1::Node node_;
};

struct Outcome {
  absl::Status status;
  at::Tensor output;
  std::vector<at::Tensor> gradients;  // per input; undefined for ids
};

// Runs forward, then backward from `output_gradient` (of the output's shape).
Outcome RunOperation(const OneNode& node, const std::vector<at::Tensor>& inputs,
                     const at::Tensor& output_gradient,
                     const std::vector<int64_t>& output_shape,
                     collective::Communicator* group = nullptr);

using Reference =
    std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

// Output and all gradients agree with autograd of `reference`. Each input is
// given with gaps in memory as well, and with room that has to be added to.
void ExpectLikeReference(const OneNode& node,
                         const std::vector<at::Tensor>& inputs,
                         const Reference& reference, double tolerance = 2e-5);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_UNIT_WORKER_RUNTIME_OPERATION_HARNESS_H_
