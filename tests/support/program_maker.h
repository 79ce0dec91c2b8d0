// program_maker.h -- writes a v1::Program value by value and node by node, and
// holds weights and gradients for it as plain vectors.
#ifndef AUTOTP_TESTS_SUPPORT_PROGRAM_MAKER_H_
#define AUTOTP_TESTS_SUPPORT_PROGRAM_MAKER_H_

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "autotp/v1/program.pb.h"
#include "worker/runtime/parameter_store.h"

namespace autotp::testing {

using Shape = std::vector<int64_t>;

// Sets the attributes of one node.
class NodeMaker {
 public:
  explicit NodeMaker(v1::Node& node) : node_(node) {}
  NodeMaker& Set(const std::string& name, int64_t value) {
    Add(name).set_integer(value);
    return *this;
  }
  NodeMaker& Set(const std::string& name, int value) {
    return Set(name, static_cast<int64_t>(value));
  }
  NodeMaker& Set(const std::string& name, double value) {
    Add(name).set_number(value);
    return *this;
  }
  NodeMaker& Set(const std::string& name, bool value) {
    Add(name).set_flag(value);
    return *this;
  }
  NodeMaker& Set(const std::string& name, const char* value) {
    Add(name).set_text(value);
    return *this;
  }
  NodeMaker& Set(const std::string& name, const Shape& values) {
    auto& list = *Add(name).mutable_integers();
    for (const int64_t value : values) list.add_values(value);
    return *this;
  }
  // Of output `index`.
  int output(int index = 0) const { return node_.outputs(index); }
  v1::Node& node() { return node_; }

 private:
  // Instead of what it was.
  v1::Attribute& Add(const std::string& name) {
    for (v1::Attribute& attribute : *node_.mutable_attributes()) {
      if (attribute.name() != name) continue;
      attribute.Clear();
      attribute.set_name(name);
      return attribute;
    }
    v1::Attribute& attribute = *node_.add_attributes();
    attribute.set_name(name);
    return attribute;
  }
  v1::Node& node_;
};

class ProgramMaker {
 public:
  int Value(const Shape& shape, v1::Value::Kind kind = v1::Value::KIND_FLOAT) {
    v1::Value& value = *program.add_values();
    for (const int64_t size : shape) value.add_shape(size);
    value.set_kind(kind);
    return program.values_size() - 1;
  }
  int Input(const std::string& name, const Shape& shape,
            v1::Value::Kind kind = v1::Value::KIND_INDEX) {
    const int id = Value(shape, kind);
    program.mutable_values(id)->set_name(name);
    program.add_inputs(id);
    return id;
  }
  int Parameter(const std::string& name, const Shape& shape,
                bool frozen = false) {
    v1::Parameter& parameter = *program.add_parameters();
    parameter.set_name(name);
    parameter.set_value(Value(shape));
    for (const int64_t size : shape) parameter.add_shape(size);
    parameter.set_cut_dim(-1);
    parameter.mutable_initialization()->set_kind(
        v1::Initialization::KIND_NORMAL);
    parameter.set_frozen(frozen);
    return parameter.value();
  }
  // One output per shape. A node of ATen takes one input for each tensor
  // argument, unless "tensors" is set.
  NodeMaker Node(const std::string& operation, const std::vector<int>& inputs,
                 const std::vector<Shape>& shapes,
                 v1::Value::Kind kind = v1::Value::KIND_FLOAT) {
    v1::Node& node = *program.add_nodes();
    node.set_operation(operation);
    node.set_scope("model.part");
    for (const int input : inputs) node.add_inputs(input);
    for (const Shape& shape : shapes) node.add_outputs(Value(shape, kind));
    NodeMaker made(node);
    if (operation.rfind("aten.", 0) == 0)
      made.Set("tensors", Shape(inputs.size(), 1));
    return made;
  }
  // The scalar that Run() returns.
  void Loss(int value) {
    program.mutable_values(value)->set_kind(v1::Value::KIND_FLOAT32);
    program.set_loss(value);
  }

  v1::Program program;
};

// Weights in fp32.
class VectorStore final : public runtime::ParameterStore {
 public:
  explicit VectorStore(std::vector<std::vector<float>> weights)
      : weights_(std::move(weights)), written_(weights_.size()) {
    for (const auto& weight : weights_)
      gradients.emplace_back(weight.size(), 0.0f);
  }
  void* Weight(int parameter) override { return weights_[parameter].data(); }
  runtime::GradientSlot Gradient(int parameter) override {
    const bool add = written_[parameter];
    written_[parameter] = true;
    return {gradients[parameter].data(), add};
  }
  absl::Status GradientDone(int) override { return absl::OkStatus(); }

  std::vector<std::vector<float>> gradients;

 private:
  std::vector<std::vector<float>> weights_;
  std::vector<bool> written_;
};

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_PROGRAM_MAKER_H_
