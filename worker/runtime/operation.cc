#include "worker/runtime/operation.h"

#include <utility>

namespace autotp::runtime {

at::Tensor ToFloat(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat ? tensor : tensor.to(at::kFloat);
}

bool IsOwned(const at::Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1;
}

at::Tensor ForwardContext::FloatInput(int index) {
  const at::Tensor& input = Input(index);
  return input.defined() ? ToFloat(input) : at::Tensor();
}

at::Tensor BackwardContext::FloatGradient(int output) {
  return ToFloat(TakeGradient(output));
}

namespace {

std::vector<int64_t> ShapeOf(const v1::Program& program, int value) {
  const auto& shape = program.values(value).shape();
  return {shape.begin(), shape.end()};
}

}  // namespace

std::vector<int64_t> InputShape(const NodeInfo& info, int index) {
  return ShapeOf(info.program, info.node.inputs(index));
}

std::vector<int64_t> OutputShape(const NodeInfo& info, int index) {
  return ShapeOf(info.program, info.node.outputs(index));
}

}  // namespace autotp::runtime
