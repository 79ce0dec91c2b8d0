// aten_call.h -- a node of an imported program, bound to an ATen operator.
//
// Flow: MakeAten() -> AtenCall::Bind() checks a node against the operator's
// own schema -> Run() calls it through the dispatcher.
//
// A node "aten.NAME.OVERLOAD" holds its tensors as inputs, in the order of the
// schema and flattened; "tensors" says for each tensor argument how many
// inputs it took. An absent optional tensor is an absent
// input. Every other argument that is not at its default is an attribute of
// the argument's name: numbers and texts as they are, a type as "float32". A
// number that stands for a tensor (x + 2 as add.Tensor) is such an attribute
// too, its tensor argument then takes no input. Devices, layouts, memory
// formats and generators cannot be said.
#ifndef AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_CALL_H_
#define AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_CALL_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "autotp/v1/program.pb.h"

namespace autotp::runtime {

class AtenCall {
 public:
  // INVALID_ARGUMENT naming the argument: an operator that is unknown or not
  // allowed; an argument that is missing, superfluous or of another type.
  static absl::StatusOr<AtenCall> Bind(const v1::Node& node);

  // One tensor per input of the node, undefined where it is absent. Outputs
  // that are lists are flattened. Throws what ATen throws.
  std::vector<at::Tensor> Run(absl::Span<const at::Tensor> inputs) const;

  // Whether it returns a list, whose length only the call would tell.
  bool ReturnsList() const;

 private:
  // How one tensor argument takes its inputs.
  struct TensorSlot {
    enum class Form { kOne, kList, kListOfOptional };
    size_t argument = 0;
    Form form = Form::kOne;
    int first_input = 0;
    int count = 0;
  };

  explicit AtenCall(c10::OperatorHandle operation) : operation_(operation) {}
  absl::Status BindTensor(const v1::Node& node, const c10::Argument& argument,
                          const c10::Type& type, int count, int* next_input);

  c10::OperatorHandle operation_;
  std::vector<c10::IValue> arguments_;  // tensors are filled in by Run
  std::vector<TensorSlot> slots_;
  // An input that the operator wants as int32, as no value is; or -1.
  int int32_input_ = -1;
  // Counts integers, which ATen does on the CPU for floats only.
  bool counts_in_floats_ = false;
};

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_OPERATIONS_ATEN_CALL_H_
