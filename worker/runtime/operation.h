// operation.h -- what an operation is to the executor.
//
// Flow: registry.h makes one Operation per node -> Executor calls Forward in
// program order, then Backward in reverse.
//
// An operation keeps, as members, what its Backward needs and drops it there,
// or in Forget where no Backward follows.
// It computes in fp32 whatever the stored type is: FloatInput and
// FloatGradient cast, Give and Deliver round. Shapes and attributes have been
// checked (check_program.h); what data make of them is the operation's to
// check.
//
// The meaning of each operation: coordinator/program/operation.h.
#ifndef AUTOTP_WORKER_RUNTIME_OPERATION_H_
#define AUTOTP_WORKER_RUNTIME_OPERATION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/program.pb.h"
#include "worker/collective/communicator.h"

namespace autotp::runtime {

// What an operation may know when it is made.
struct NodeInfo {
  const v1::Node& node;
  const v1::Program& program;
  // Null in a world of one.
  collective::Communicator* tensor_group = nullptr;
  bool produces_loss = false;
};

// What a run's random numbers depend on beside the operation: the seed, and
// the place in the order of training of the micro-batch's first sequence; the
// others follow it. So they are the same in every layout, in a run that was
// resumed, and when a value is computed again.
struct RandomSource {
  uint64_t seed = 0;
  int64_t first_sequence = 0;
};

class ForwardContext {
 public:
  virtual ~ForwardContext() = default;
  // Undefined where an optional input is absent.
  virtual const at::Tensor& Input(int index) = 0;
  // The same; if nobody needs the value any more the caller gets the only
  // reference, so that it may reuse the memory (see IsOwned).
  virtual at::Tensor TakeInput(int index) = 0;
  at::Tensor FloatInput(int index);
  // Whether a backward will ask for this input's gradient.
  virtual bool Needs(int input) = 0;
  // Stores an output, rounded to its value's type.
  virtual void Give(int index, at::Tensor value) = 0;
  // False where the forward is run again for the sake of what it keeps alone:
  // then the output need not be made.
  virtual bool Wants(int /*output*/) { return true; }
  // What the loss's gradient is in this run.
  virtual double gradient_factor() = 0;
  // Null where nothing is drawn: dropout is the identity in an evaluation.
  virtual const RandomSource* random() { return nullptr; }
};

// Room for the gradient of an input, fp32, contiguous: to be written, or to be
// added to. Given back with Deliver.
struct Room {
  at::Tensor tensor;
  bool add = false;
};

class BackwardContext {
 public:
  virtual ~BackwardContext() = default;
  virtual bool Needs(int input) = 0;
  // Defined, in the output's shape and any strides; moved out.
  virtual at::Tensor TakeGradient(int output) = 0;
  at::Tensor FloatGradient(int output);
  virtual Room MakeRoom(int input) = 0;
  virtual void Deliver(int input, Room room) = 0;
  // Adds `gradient`, of the input's shape and any strides, which the callee
  // may keep and overwrite if it holds the only reference.
  virtual void Add(int input, at::Tensor gradient) = 0;
};

class Operation {
 public:
  virtual ~Operation() = default;
  virtual absl::Status Forward(ForwardContext& context) = 0;
  virtual absl::Status Backward(BackwardContext& context) = 0;
  // Does Forward keep a tensor for Backward? If not, it is not run again for
  // its own sake.
  virtual bool Keeps() const { return true; }
  // Drops what Forward kept. Operations that keep nothing leave it out.
  virtual void Forget() {}
};

using OperationFactory =
    absl::StatusOr<std::unique_ptr<Operation>> (*)(const NodeInfo& info);

// fp32, the same tensor if it is already.
at::Tensor ToFloat(const at::Tensor& tensor);

// True if this is the only reference to the tensor and to its memory.
bool IsOwned(const at::Tensor& tensor);

// Shape of a node's input or output.
std::vector<int64_t> InputShape(const NodeInfo& info, int index);
std::vector<int64_t> OutputShape(const NodeInfo& info, int index);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_OPERATION_H_
