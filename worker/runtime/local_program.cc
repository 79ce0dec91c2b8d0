#include "worker/runtime/local_program.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/node_schedule.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/call_torch.h"
#include "worker/runtime/check_program.h"
#include "worker/runtime/operation.h"
#include "worker/runtime/registry.h"

namespace autotp::runtime {
namespace {

constexpr int kNone = -1;

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

at::Tensor Cast(at::Tensor tensor, at::ScalarType type) {
  return tensor.scalar_type() == type ? tensor : tensor.to(type);
}

}  // namespace

class LocalProgram::Executor final {
 public:
  absl::Status Compile(const v1::Program& program,
                       const CompileOptions& options);
  absl::StatusOr<float> Run(absl::Span<const void* const> inputs,
                            const RunOptions& options, ParameterStore& store);
  absl::StatusOr<float> Evaluate(absl::Span<const void* const> inputs,
                                 ParameterStore& store);
  const std::vector<int64_t>& parameter_sizes() const { return sizes_; }

 private:
  class Forwarder;
  class Backwarder;

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

class LocalProgram::Executor::Forwarder final : public ForwardContext {
 public:
  Forwarder(Executor& executor, const Pass& pass)
      : executor_(executor),
        pass_(pass),
        message_(executor.nodes_[pass.node].node) {}

  const at::Tensor& Input(int index) override {
    const int id =
        index < message_.inputs_size() ? message_.inputs(index) : kNone;
    return id == kNone ? undefined_ : executor_.tensors_[id];
  }

  at::Tensor TakeInput(int index) override {
    const int id = message_.inputs(index);
    int uses = 0;
    for (const int other : message_.inputs()) uses += other == id;
    if (uses == 1 && std::find(pass_.freed.begin(), pass_.freed.end(), id) !=
                         pass_.freed.end())
      return std::move(executor_.tensors_[id]);
    return executor_.tensors_[id];
  }

  bool Wants(int output) override {
    return pass_.unwanted.empty() || !pass_.unwanted[output];
  }

  bool Needs(int input) override {
    const int id = message_.inputs(input);
    return id != kNone && executor_.random_.has_value() &&
           executor_.values_[id].needs_gradient;
  }

  void Give(int index, at::Tensor value) override {
    if (!Wants(index)) return;
    const int id = message_.outputs(index);
    executor_.tensors_[id] = Cast(std::move(value), executor_.values_[id].type);
  }

  double gradient_factor() override { return executor_.gradient_factor_; }

  const RandomSource* random() override {
    return executor_.random_.has_value() ? &*executor_.random_ : nullptr;
  }

 private:
  Executor& executor_;
  const Pass& pass_;
  const v1::Node& message_;
  const at::Tensor undefined_;
};

class LocalProgram::Executor::Backwarder final : public BackwardContext {
 public:
  Backwarder(Executor& executor, int node)
      : executor_(executor), message_(executor.nodes_[node].node) {}

  bool Needs(int input) override {
    if (input >= message_.inputs_size()) return false;
    const int id = message_.inputs(input);
    return id != kNone && executor_.values_[id].needs_gradient;
  }

  at::Tensor TakeGradient(int output) override {
    return std::move(executor_.gradients_[message_.outputs(output)]);
  }

  Room MakeRoom(int input) override {
    return executor_.MakeRoom(message_.inputs(input));
  }

  void Deliver(int input, Room room) override {
    const int id = message_.inputs(input);
    const ValueInfo& info = executor_.values_[id];
    if (info.parameter != kNone) return;
    executor_.gradients_[id] = Cast(std::move(room.tensor), info.type);
  }

  void Add(int input, at::Tensor gradient) override {
    executor_.AddGradient(message_.inputs(input), std::move(gradient));
  }

 private:
  Executor& executor_;
  const v1::Node& message_;
};

absl::Status LocalProgram::Executor::Compile(const v1::Program& program,
                                             const CompileOptions& options) {
  AUTOTP_RETURN_IF_ERROR(CheckLocalProgram(program));
  backward_begins_ = options.backward_begins;
  ReadValues(program, options);
  AUTOTP_RETURN_IF_ERROR(ReadNodes(program, options));
  FindFirstUses();
  return PlanPasses();
}

void LocalProgram::Executor::ReadValues(const v1::Program& program,
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

absl::Status LocalProgram::Executor::ReadNodes(const v1::Program& program,
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

void LocalProgram::Executor::FindFirstUses() {
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

absl::Status LocalProgram::Executor::PlanPasses() {
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

absl::Status LocalProgram::Executor::Begin(absl::Span<const void* const> inputs,
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

absl::StatusOr<float> LocalProgram::Executor::Run(
    absl::Span<const void* const> inputs, const RunOptions& options,
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

absl::StatusOr<float> LocalProgram::Executor::Evaluate(
    absl::Span<const void* const> inputs, ParameterStore& store) {
  AUTOTP_RETURN_IF_ERROR(Begin(inputs, store));
  random_.reset();
  AUTOTP_RETURN_IF_ERROR(RunForward());
  const float loss = tensors_[loss_].item<float>();
  Clear();
  return loss;
}

absl::Status LocalProgram::Executor::RunForward() {
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

absl::Status LocalProgram::Executor::RunNode(const Pass& pass) {
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

absl::Status LocalProgram::Executor::RunBackward() {
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

absl::Status LocalProgram::Executor::FinishUnused() {
  for (const int id : parameters_) {
    if (values_[id].first_use == kNone)
      AUTOTP_RETURN_IF_ERROR(store_->GradientDone(values_[id].parameter));
  }
  return absl::OkStatus();
}

void LocalProgram::Executor::Clear() {
  tensors_.clear();
  gradients_.clear();
  store_ = nullptr;
}

Room LocalProgram::Executor::MakeParameterRoom(const ValueInfo& info) {
  const GradientSlot slot = store_->Gradient(info.parameter);
  return {at::from_blob(slot.data, info.shape, at::kFloat), slot.add};
}

Room LocalProgram::Executor::MakeRoom(int value) {
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

void LocalProgram::Executor::AddGradient(int value, at::Tensor gradient) {
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

LocalProgram::LocalProgram(std::unique_ptr<Executor> executor)
    : executor_(std::move(executor)) {}

LocalProgram::~LocalProgram() = default;

absl::StatusOr<std::unique_ptr<LocalProgram>> LocalProgram::Compile(
    const v1::Program& program, const CompileOptions& options) {
  auto executor = std::make_unique<Executor>();
  AUTOTP_RETURN_IF_ERROR(CallTorch([&]() -> absl::Status {
    const c10::InferenceMode guard;
    return executor->Compile(program, options);
  }));
  return std::unique_ptr<LocalProgram>(new LocalProgram(std::move(executor)));
}

const std::vector<int64_t>& LocalProgram::parameter_sizes() const {
  return executor_->parameter_sizes();
}

absl::StatusOr<float> LocalProgram::Run(absl::Span<const void* const> inputs,
                                        const RunOptions& options,
                                        ParameterStore& store) {
  return CallTorch([&]() -> absl::StatusOr<float> {
    const c10::InferenceMode guard;
    return executor_->Run(inputs, options, store);
  });
}

absl::StatusOr<float> LocalProgram::Evaluate(
    absl::Span<const void* const> inputs, ParameterStore& store) {
  return CallTorch([&]() -> absl::StatusOr<float> {
    const c10::InferenceMode guard;
    return executor_->Evaluate(inputs, store);
  });
}

}  // namespace autotp::runtime
