#include "worker/runtime/executor.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>

#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/check_program.h"
#include "worker/runtime/executor_contexts.h"
#include "worker/runtime/registry.h"

namespace autotp::runtime {
namespace {

std::string Describe(const v1::Node& node, int index) {
  return absl::StrCat("node ", index, " (", node.operation(),
                      node.scope().empty() ? "" : " in ", node.scope(), ")");
}

at::ScalarType TypeOf(v1::Value::Kind kind, ComputeType compute_type) {
  if (kind == v1::Value::KIND_INDEX) return at::kLong;
  if (kind == v1::Value::KIND_BOOL) return at::kBool;
  if (kind == v1::Value::KIND_FLOAT32) return at::kFloat;
  switch (compute_type) {
    case ComputeType::kBFloat16:
      return at::kBFloat16;
    case ComputeType::kFloat16:
      return at::kHalf;
    case ComputeType::kFloat32:
      break;
  }
  return at::kFloat;
}

}  // namespace

at::Tensor Cast(at::Tensor tensor, at::ScalarType type) {
  return tensor.scalar_type() == type ? tensor : tensor.to(type);
}

absl::Status Executor::Compile(const v1::Program& program,
                               const CompileOptions& options) {
  AUTOTP_RETURN_IF_ERROR(CheckLocalProgram(program));
  backward_begins_ = options.backward_begins;
  ReadValues(program, options);
  AUTOTP_RETURN_IF_ERROR(ReadNodes(program, options));
  FindFirstUses();
  return PlanPasses();
}

void Executor::ReadValues(const v1::Program& program,
                          const CompileOptions& options) {
  for (const v1::Value& value : program.values()) {
    ValueInfo info;
    info.shape.assign(value.shape().begin(), value.shape().end());
    info.type = TypeOf(value.kind(), options.compute_type);
    values_.push_back(std::move(info));
  }
  for (const v1::Parameter& parameter : program.parameters()) {
    ValueInfo& info = values_[parameter.value()];
    info.parameter = static_cast<int>(parameters_.size());
    info.needs_gradient = !parameter.frozen();
    parameters_.push_back(parameter.value());
    sizes_.push_back(std::accumulate(info.shape.begin(), info.shape.end(),
                                     int64_t{1}, std::multiplies<>()));
  }
  for (const int id : program.inputs()) {
    input_types_.push_back(
        c10::isFloatingType(values_[id].type) ? at::kFloat : values_[id].type);
    inputs_.push_back(id);
  }
  loss_ = program.loss();
}

absl::Status Executor::ReadNodes(const v1::Program& program,
                                 const CompileOptions& options) {
  for (int i = 0; i < program.nodes_size(); ++i) {
    const v1::Node& node = program.nodes(i);
    NodeState state;
    state.node = node;
    for (const int id : node.inputs())
      state.runs_backward |= id != kNone && values_[id].needs_gradient;
    bool is_loss = false;
    for (const int id : node.outputs()) {
      values_[id].needs_gradient =
          state.runs_backward && c10::isFloatingType(values_[id].type);
      is_loss |= id == loss_;
    }
    const NodeInfo info{node, program, options.tensor_group, is_loss};
    absl::StatusOr<std::unique_ptr<Operation>> operation = MakeOperation(info);
    if (!operation.ok()) return Annotate(operation.status(), Describe(node, i));
    state.operation = *std::move(operation);
    nodes_.push_back(std::move(state));
  }
  return absl::OkStatus();
}

void Executor::FindFirstUses() {
  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    for (const int id : nodes_[i].node.inputs()) {
      if (id == kNone) continue;
      if (values_[id].first_use == kNone) values_[id].first_use = i;
    }
  }
  // Backward goes from the last node to the first, so a parameter's gradient
  // is complete after the backward of its first use.
  for (const int id : parameters_) {
    const ValueInfo& info = values_[id];
    if (info.first_use != kNone)
      nodes_[info.first_use].finished_parameters.push_back(info.parameter);
  }
}

absl::Status Executor::PlanPasses() {
  std::vector<ScheduledNode> nodes;
  for (const NodeState& state : nodes_) {
    const v1::Node& node = state.node;
    nodes.push_back({{node.inputs().begin(), node.inputs().end()},
                     {node.outputs().begin(), node.outputs().end()},
                     node.recompute_region(),
                     state.runs_backward && state.operation->Keeps()});
  }
  std::vector<bool> kept;
  for (const ValueInfo& info : values_) kept.push_back(info.parameter != kNone);
  kept[loss_] = true;  // it is read behind the last node
  AUTOTP_ASSIGN_OR_RETURN(schedule_, MakeSchedule(nodes, kept));
  return absl::OkStatus();
}

absl::Status Executor::Begin(absl::Span<const void* const> inputs,
                             ParameterStore& store) {
  if (inputs.size() != inputs_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the program has ", inputs_.size(), " inputs, ",
                     inputs.size(), " were given"));
  }
  store_ = &store;
  tensors_.assign(values_.size(), at::Tensor());
  gradients_.assign(values_.size(), at::Tensor());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ValueInfo& info = values_[inputs_[i]];
    tensors_[inputs_[i]] = Cast(at::from_blob(const_cast<void*>(inputs[i]),
                                              info.shape, input_types_[i]),
                                info.type);
  }
  for (const int id : parameters_) {
    const ValueInfo& info = values_[id];
    tensors_[id] =
        at::from_blob(store.Weight(info.parameter), info.shape, info.type);
  }
  return absl::OkStatus();
}

absl::StatusOr<float> Executor::Run(absl::Span<const void* const> inputs,
                                    const RunOptions& options,
                                    ParameterStore& store) {
  AUTOTP_RETURN_IF_ERROR(Begin(inputs, store));
  gradient_factor_ = options.gradient_factor;
  random_ = {options.seed, options.first_sequence};
  AUTOTP_RETURN_IF_ERROR(RunForward());
  const float loss = tensors_[loss_].item<float>();
  AUTOTP_RETURN_IF_ERROR(RunBackward());
  Clear();
  return loss;
}

absl::StatusOr<float> Executor::Evaluate(absl::Span<const void* const> inputs,
                                         ParameterStore& store) {
  AUTOTP_RETURN_IF_ERROR(Begin(inputs, store));
  random_.reset();
  AUTOTP_RETURN_IF_ERROR(RunForward());
  const float loss = tensors_[loss_].item<float>();
  Clear();
  return loss;
}

absl::Status Executor::RunForward() {
  const bool is_evaluation = !random_.has_value();
  for (const Pass& pass :
       is_evaluation ? schedule_.evaluation : schedule_.forward) {
    AUTOTP_RETURN_IF_ERROR(RunNode(pass));
    NodeState& state = nodes_[pass.node];
    if (is_evaluation || state.node.recompute_region() != 0)
      state.operation->Forget();
  }
  return absl::OkStatus();
}

absl::Status Executor::RunNode(const Pass& pass) {
  Forwarder context(*this, pass);
  const NodeState& state = nodes_[pass.node];
  if (const absl::Status status = state.operation->Forward(context);
      !status.ok()) {
    return Annotate(
        status, absl::StrCat("forward of ", Describe(state.node, pass.node)));
  }
  for (const int id : pass.freed) tensors_[id].reset();
  return absl::OkStatus();
}

absl::Status Executor::RunBackward() {
  if (backward_begins_ != nullptr) backward_begins_();
  AUTOTP_RETURN_IF_ERROR(FinishUnused());
  gradients_[loss_] = at::full({}, gradient_factor_, at::kFloat);
  for (int i = static_cast<int>(nodes_.size()) - 1; i >= 0; --i) {
    NodeState& state = nodes_[i];
    if (const auto again = schedule_.again.find(i);
        again != schedule_.again.end()) {
      for (const Pass& pass : again->second)
        AUTOTP_RETURN_IF_ERROR(RunNode(pass));
    }
    bool reached = false;
    for (const int id : state.node.outputs())
      reached |= gradients_[id].defined();
    if (state.runs_backward && reached) {
      Backwarder context(*this, i);
      if (const absl::Status status = state.operation->Backward(context);
          !status.ok()) {
        return Annotate(status,
                        absl::StrCat("backward of ", Describe(state.node, i)));
      }
    } else {
      state.operation->Forget();
    }
    for (const int id : state.node.outputs()) gradients_[id].reset();
    for (const int parameter : state.finished_parameters)
      AUTOTP_RETURN_IF_ERROR(store_->GradientDone(parameter));
  }
  return absl::OkStatus();
}

absl::Status Executor::FinishUnused() {
  for (const int id : parameters_) {
    if (values_[id].first_use == kNone)
      AUTOTP_RETURN_IF_ERROR(store_->GradientDone(values_[id].parameter));
  }
  return absl::OkStatus();
}

void Executor::Clear() {
  tensors_.clear();
  gradients_.clear();
  store_ = nullptr;
}

Room Executor::MakeParameterRoom(const ValueInfo& info) {
  const GradientSlot slot = store_->Gradient(info.parameter);
  return {at::from_blob(slot.data, info.shape, at::kFloat), slot.add};
}

Room Executor::MakeRoom(int value) {
  const ValueInfo& info = values_[value];
  if (info.parameter != kNone) return MakeParameterRoom(info);
  at::Tensor existing = std::move(gradients_[value]);
  if (!existing.defined()) return {at::empty(info.shape, at::kFloat), false};
  if (existing.scalar_type() != at::kFloat)
    return {existing.to(at::kFloat).contiguous(), true};
  if (IsOwned(existing) && existing.is_contiguous())
    return {std::move(existing), true};
  return {existing.clone(at::MemoryFormat::Contiguous), true};
}

void Executor::AddGradient(int value, at::Tensor gradient) {
  const ValueInfo& info = values_[value];
  if (info.parameter != kNone) {
    Room room = MakeParameterRoom(info);
    if (room.add) {
      room.tensor.add_(gradient);
    } else {
      room.tensor.copy_(gradient);
    }
    return;
  }
  at::Tensor& existing = gradients_[value];
  if (!existing.defined()) {
    existing = Cast(std::move(gradient), info.type);
  } else if (IsOwned(existing)) {
    existing.add_(gradient);
  } else {
    existing = Cast(existing.add(gradient), info.type);
  }
}

}  // namespace autotp::runtime
