// local_program.h -- runs one rank's local program, forward and backward.
//
// Flow: v1::Program -> Compile() -> the trainer calls Run() once per
// micro-step -> loss; gradients are in the ParameterStore. Evaluate() is the
// forward alone.
//
// Nodes run in program order. A value is freed after its last use, unless an
// operation keeps it for its backward; gradients likewise. What lies in a
// recompute region is made a second time in the backward, to the same bits
// (node_schedule.h). Parameter gradients are written by the operations straight
// into the store, which is told as soon as each is complete.
//
// Number types: activations and weights in the compute type, all arithmetic
// and all parameter gradients in fp32. With a 16-bit type the weights are what
// the store holds in it, and every value is rounded when it is stored; one
// that fp16 does not reach is infinite then.
//
// Threading: one thread at a time; operations use ATen's intra-op threads.
#ifndef AUTOTP_WORKER_RUNTIME_LOCAL_PROGRAM_H_
#define AUTOTP_WORKER_RUNTIME_LOCAL_PROGRAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "autotp/v1/program.pb.h"
#include "worker/collective/communicator.h"
#include "worker/runtime/parameter_store.h"

namespace autotp::runtime {

enum class ComputeType { kFloat32, kBFloat16, kFloat16 };

struct CompileOptions {
  ComputeType compute_type = ComputeType::kFloat32;
  // The tensor-parallel group; null: a world of one, where collectives are
  // the identity. Outlives the program.
  collective::Communicator* tensor_group = nullptr;
  // Called between a forward and its backward; may be null.
  std::function<void()> backward_begins;
};

// Of one micro-step.
struct RunOptions {
  double gradient_factor = 1.0;  // of the loss
  // What dropout draws from: the seed, and the place of the first sequence in
  // the order of training (sampler.h), from which the others go on.
  uint64_t seed = 0;
  int64_t first_sequence = 0;
};

class Executor;

class LocalProgram {
 public:
  // INVALID_ARGUMENT naming the node: what check_program.h refuses, a cut that
  // is not for this group, a call of ATen that is not allowed.
  static absl::StatusOr<std::unique_ptr<LocalProgram>> Compile(
      const v1::Program& program, const CompileOptions& options);
  ~LocalProgram();

  // Elements of each parameter's local shape, in program order.
  const std::vector<int64_t>& parameter_sizes() const;

  // One micro-step. `inputs`: one pointer per program input, in the
  // input's shape and kind: int64, fp32, or a byte per bool. Gradients of loss
  // * gradient_factor go to `store`. Returns the loss. Errors of the tensor
  // group; RESOURCE_EXHAUSTED out of memory.
  absl::StatusOr<float> Run(absl::Span<const void* const> inputs,
                            const RunOptions& options, ParameterStore& store);

  // The loss alone, without dropout: nothing is kept for a backward, and of
  // `store` only the weights are asked for.
  absl::StatusOr<float> Evaluate(absl::Span<const void* const> inputs,
                                 ParameterStore& store);

 private:
  explicit LocalProgram(std::unique_ptr<Executor> executor);
  std::unique_ptr<Executor> executor_;
};

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_LOCAL_PROGRAM_H_
