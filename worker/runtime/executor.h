// executor.h -- one rank's program, node after node: values, gradients and
// when they are freed.
//
// Flow: local_program.h, which fences LibTorch's exceptions -> Executor ->
// operation.h, whose contexts (executor_contexts.h) read and write the values.
//
// Threading: one thread at a time.
#ifndef AUTOTP_WORKER_RUNTIME_EXECUTOR_H_
#define AUTOTP_WORKER_RUNTIME_EXECUTOR_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "autotp/v1/program.pb.h"
#include "proto/support/node_schedule.h"
#include "worker/runtime/local_program.h"
#include "worker/runtime/operation.h"
#include "worker/runtime/parameter_store.h"

namespace autotp::runtime {

inline constexpr int kNone = -1;

// What the executor knows about one value.
struct ValueInfo {
  std::vector<int64_t> shape;
  at::ScalarType type = at::kFloat;
  int parameter = kNone;        // its index, if it is one
  bool needs_gradient = false;  // a parameter contributes to it
  int first_use = kNone;        // node
};

struct NodeState {
  v1::Node node;
  std::unique_ptr<Operation> operation;
  bool runs_backward = false;
  std::vector<int> finished_parameters;  // complete after its backward
};

// The same tensor if it is of that type.
at::Tensor Cast(at::Tensor tensor, at::ScalarType type);

class Executor {
 public:
  absl::Status Compile(const v1::Program& program,
                       const CompileOptions& options);
  absl::StatusOr<float> Run(absl::Span<const void* const> inputs,
                            const RunOptions& options, ParameterStore& store);
  absl::StatusOr<float> Evaluate(absl::Span<const void* const> inputs,
                                 ParameterStore& store);
  const std::vector<int64_t>& parameter_sizes() const { return sizes_; }

 private:
  friend class Forwarder;
  friend class Backwarder;

  void ReadValues(const v1::Program& program, const CompileOptions& options);
  absl::Status ReadNodes(const v1::Program& program,
                         const CompileOptions& options);
  void FindFirstUses();
  absl::Status PlanPasses();
  absl::Status Begin(absl::Span<const void* const> inputs,
                     ParameterStore& store);
  absl::Status RunForward();
  absl::Status RunNode(const Pass& pass);
  absl::Status RunBackward();
  absl::Status FinishUnused();
  void Clear();

  void AddGradient(int value, at::Tensor gradient);
  Room MakeRoom(int value);
  Room MakeParameterRoom(const ValueInfo& info);

  std::vector<ValueInfo> values_;
  std::vector<NodeState> nodes_;
  std::vector<int> parameters_;  // value ids
  std::vector<int64_t> sizes_;
  std::vector<int> inputs_;                  // value ids
  std::vector<at::ScalarType> input_types_;  // as they are given
  int loss_ = kNone;
  Schedule schedule_;
  std::function<void()> backward_begins_;

  // Of the run under way, by value id.
  std::vector<at::Tensor> tensors_;
  std::vector<at::Tensor> gradients_;
  double gradient_factor_ = 1.0;
  std::optional<RandomSource> random_;  // none: an evaluation
  ParameterStore* store_ = nullptr;
};

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_EXECUTOR_H_
