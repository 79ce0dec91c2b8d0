#include "tests/unit/worker/runtime/operation_harness.h"

#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "worker/runtime/registry.h"

namespace autotp::testing {
namespace {

using runtime::Room;

v1::Attribute& AddAttribute(v1::Node& node, const std::string& name) {
  v1::Attribute& attribute = *node.add_attributes();
  attribute.set_name(name);
  return attribute;
}

class Forwarder final : public runtime::ForwardContext {
 public:
  explicit Forwarder(std::vector<at::Tensor> inputs)
      : inputs_(std::move(inputs)) {}
  const at::Tensor& Input(int index) override {
    return index < static_cast<int>(inputs_.size()) ? inputs_[index] : none_;
  }
  at::Tensor TakeInput(int index) override { return std::move(inputs_[index]); }
  void Give(int index, at::Tensor value) override {
    if (index == 0) output_ = std::move(value);
  }
  double gradient_factor() override { return 1.0; }
  const runtime::RandomSource* random() override { return &kRandomSource; }
  const at::Tensor& output() const { return output_; }

 private:
  std::vector<at::Tensor> inputs_;
  at::Tensor output_;
  const at::Tensor none_;
};

// Every gradient starts as ones that are to be added to.
class Backwarder final : public runtime::BackwardContext {
 public:
  Backwarder(const std::vector<at::Tensor>& inputs, at::Tensor gradient)
      : gradient_(std::move(gradient)) {
    for (const at::Tensor& input : inputs) {
      gradients_.push_back(
          input.defined() && input.is_floating_point()
              ? at::ones_like(input, at::MemoryFormat::Contiguous)
              : at::Tensor());
    }
  }
  bool Needs(int input) override {
    return input < static_cast<int>(gradients_.size()) &&
           gradients_[input].defined();
  }
  at::Tensor TakeGradient(int) override { return std::move(gradient_); }
  Room MakeRoom(int input) override { return {gradients_[input], true}; }
  void Deliver(int input, Room room) override {
    gradients_[input] = std::move(room.tensor);
  }
  void Add(int input, at::Tensor gradient) override {
    gradients_[input].add_(gradient);
  }
  std::vector<at::Tensor> TakeAll() {
    for (at::Tensor& gradient : gradients_) {
      if (gradient.defined()) gradient.sub_(1.0);
    }
    return std::move(gradients_);
  }

 private:
  at::Tensor gradient_;
  std::vector<at::Tensor> gradients_;
};

// The same numbers, every second place of memory.
at::Tensor WithGaps(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.dim() == 0) return tensor;
  at::Tensor wide = tensor.repeat_interleave(2, 0);
  return wide.slice(0, 0, wide.size(0), 2);
}

void ExpectClose(const at::Tensor& got, const at::Tensor& want,
                 double tolerance, const std::string& what) {
  ASSERT_TRUE(got.defined()) << what;
  ASSERT_EQ(got.sizes().vec(), want.sizes().vec()) << what;
  const at::Tensor worst = got.sub(want).abs().max();
  EXPECT_LE(worst.item<double>(), tolerance) << what << ", seed " << kSeed;
}

}  // namespace

OneNode::OneNode(const std::string& operation) {
  node_.set_operation(operation);
}
OneNode& OneNode::Set(const std::string& name, int64_t value) {
  AddAttribute(node_, name).set_integer(value);
  return *this;
}

OneNode& OneNode::Set(const std::string& name, double value) {
  AddAttribute(node_, name).set_number(value);
  return *this;
}
OneNode& OneNode::Set(const std::string& name, bool value) {
  AddAttribute(node_, name).set_flag(value);
  return *this;
}
OneNode& OneNode::Set(const std::string& name, const std::string& value) {
  AddAttribute(node_, name).set_text(value);
  return *this;
}
OneNode& OneNode::Set(const std::string& name,
                      const std::vector<int64_t>& value) {
  auto& values = *AddAttribute(node_, name).mutable_integers();
  for (const int64_t number : value) values.add_values(number);
  return *this;
}
OneNode& OneNode::Set(const std::string& name,
                      const std::vector<double>& value) {
  auto& values = *AddAttribute(node_, name).mutable_numbers();
  for (const double number : value) values.add_values(number);
  return *this;
}

Outcome RunOperation(const OneNode& node, const std::vector<at::Tensor>& inputs,
                     const at::Tensor& output_gradient,
                     const std::vector<int64_t>& output_shape,
                     collective::Communicator* group) {
  const c10::InferenceMode guard;
  v1::Program program;
  v1::Node message = node.node();
  for (const at::Tensor& input : inputs) {
    v1::Value& value = *program.add_values();
    if (!input.defined()) {
      message.add_inputs(-1);
      continue;
    }
    message.add_inputs(program.values_size() - 1);
    for (const int64_t size : input.sizes()) value.add_shape(size);
  }
  message.add_outputs(program.values_size());
  v1::Value& output = *program.add_values();
  for (const int64_t size : output_shape) output.add_shape(size);

  Outcome outcome;
  auto operation = runtime::MakeOperation({message, program, group, false});
  if (!operation.ok()) return {operation.status(), {}, {}};
  // Operations may overwrite what they own.
  std::vector<at::Tensor> copies;
  for (const at::Tensor& input : inputs)
    copies.push_back(input.defined() ? WithGaps(input.clone()) : input);
  {
    Forwarder forward(copies);
    outcome.status = (*operation)->Forward(forward);
    if (!outcome.status.ok()) return outcome;
    outcome.output = forward.output().clone();
  }
  Backwarder backward(copies, output_gradient.clone());
  outcome.status = (*operation)->Backward(backward);
  outcome.gradients = backward.TakeAll();
  return outcome;
}

void ExpectLikeReference(const OneNode& node,
                         const std::vector<at::Tensor>& inputs,
                         const Reference& reference, double tolerance) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& input : inputs) {
    at::Tensor leaf = input.defined() ? input.clone() : input;
    if (leaf.defined() && leaf.is_floating_point()) leaf.requires_grad_();
    leaves.push_back(std::move(leaf));
  }
  const at::Tensor want = reference(leaves);
  const at::Tensor gradient = at::randn_like(want.detach());
  want.backward(gradient);

  const Outcome got = RunOperation(node, inputs, gradient, want.sizes().vec());
  ASSERT_TRUE(got.status.ok()) << got.status;
  ExpectClose(got.output, want.detach(), tolerance, "output");
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!leaves[i].defined() || !leaves[i].requires_grad()) continue;
    const at::Tensor expected = leaves[i].grad().defined()
                                    ? leaves[i].grad()
                                    : at::zeros_like(leaves[i].detach());
    ExpectClose(got.gradients[i], expected, tolerance,
                "gradient of input " + std::to_string(i));
  }
}

}  // namespace autotp::testing
