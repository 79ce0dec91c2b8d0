// aten.*: any allowed operator of ATen, as an exported program names it.
//
// Arithmetic is ATen's own on the types that values are stored in, with one
// rule more: floats of different types are widened to the widest of them
// before the call. Results are rounded to the kind that the program states.
#include <ATen/ATen.h>

#include <utility>

#include "absl/strings/match.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/operations/aten_call.h"
#include "worker/runtime/operations/aten_gradient.h"
#include "worker/runtime/operations/aten_limits.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

bool IsFloat(const at::Tensor& tensor) {
  return tensor.defined() && c10::isFloatingType(tensor.scalar_type());
}

void Widen(std::vector<at::Tensor>& tensors) {
  at::ScalarType widest = at::ScalarType::Undefined;
  for (const at::Tensor& tensor : tensors) {
    if (!IsFloat(tensor)) continue;
    widest = widest == at::ScalarType::Undefined
                 ? tensor.scalar_type()
                 : c10::promoteTypes(widest, tensor.scalar_type());
  }
  for (at::Tensor& tensor : tensors) {
    if (IsFloat(tensor) && tensor.scalar_type() != widest)
      tensor = tensor.to(widest);
  }
}

class Aten final : public Operation {
 public:
  Aten(const NodeInfo& info, AtenCall call)
      : node_(info.node),
        call_(std::move(call)),
        stated_(StatedOutputs(info)),
        is_uninitialized_(
            absl::StartsWith(info.node.operation(), "aten.empty") ||
            absl::StartsWith(info.node.operation(), "aten.new_empty")),
        is_copy_(info.node.operation() == "aten.copy.default") {}

  absl::Status Forward(ForwardContext& context) override {
    std::vector<at::Tensor> inputs;
    for (int i = 0; i < node_.inputs_size(); ++i)
      inputs.push_back(context.Input(i));
    AUTOTP_RETURN_IF_ERROR(CheckDivision(node_, inputs));
    std::vector<bool> needs;
    bool recorded = false;
    for (int i = 0; i < node_.inputs_size(); ++i) {
      needs.push_back(IsFloat(inputs[i]) && context.Needs(i));
      recorded |= needs.back();
    }
    Widen(inputs);
    gradient_ = AtenGradient();
    std::vector<at::Tensor> outputs =
        recorded ? gradient_.Record(inputs, needs,
                                    [this](absl::Span<const at::Tensor> given) {
                                      return Call(given);
                                    })
                 : Call(inputs);
    AUTOTP_RETURN_IF_ERROR(CheckOutputs(outputs, stated_));
    for (size_t i = 0; i < outputs.size(); ++i)
      context.Give(static_cast<int>(i), std::move(outputs[i]));
    return absl::OkStatus();
  }

  void Forget() override { gradient_ = AtenGradient(); }

  absl::Status Backward(BackwardContext& context) override {
    std::vector<at::Tensor> given;
    for (size_t i = 0; i < stated_.size(); ++i)
      given.push_back(context.TakeGradient(static_cast<int>(i)));
    std::vector<at::Tensor> gradients = gradient_.Take(std::move(given));
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (gradients[i].defined())
        context.Add(static_cast<int>(i), std::move(gradients[i]));
    }
    return absl::OkStatus();
  }

 private:
  std::vector<at::Tensor> Call(absl::Span<const at::Tensor> inputs) const {
    // self, src -> src in the shape and type of self; ATen has no derivative.
    if (is_copy_) {
      return {inputs[1]
                  .to(inputs[0].scalar_type())
                  .expand(inputs[0].sizes())
                  .clone()};
    }
    std::vector<at::Tensor> outputs = call_.Run(inputs);
    if (is_uninitialized_) outputs[0].zero_();
    return outputs;
  }

  const v1::Node node_;
  const AtenCall call_;
  const std::vector<StatedOutput> stated_;
  const bool is_uninitialized_;
  const bool is_copy_;
  AtenGradient gradient_;
};

}  // namespace

OperationOr MakeAten(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(AtenCall call, AtenCall::Bind(info.node));
  AUTOTP_RETURN_IF_ERROR(CheckAtenNode(info, call));
  return std::make_unique<Aten>(info, std::move(call));
}

}  // namespace autotp::runtime
