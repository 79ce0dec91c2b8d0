#include "worker/runtime/operations/aten_gradient.h"

#include <ATen/Context.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <utility>

namespace autotp::runtime {
namespace {

namespace autograd = torch::autograd;

// Where gradients leave the graph; the engine takes them from its inputs.
struct Exit final : public autograd::Node {
  autograd::variable_list apply(autograd::variable_list&&) override {
    return {};
  }
};

// The same numbers in a tensor that autograd may keep: those made in
// inference mode it may not. REQUIRES: not in inference mode.
at::Tensor Recordable(const at::Tensor& tensor) {
  at::Tensor alias = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(tensor.storage()), tensor.key_set(), tensor.dtype());
  c10::TensorImpl* const impl = alias.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                              tensor.storage_offset());
  return alias;
}

// Some of ATen's sums go faster, and differently each time.
void AskForTheSameBits() {
  static const bool asked = [] {
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    return true;
  }();
  static_cast<void>(asked);
}

}  // namespace

std::vector<at::Tensor> AtenGradient::Record(
    absl::Span<const at::Tensor> inputs, const std::vector<bool>& needs,
    const Call& call) {
  AskForTheSameBits();
  const c10::InferenceMode no_inference(false);
  const c10::AutoGradMode record(true);
  const auto exit = std::make_shared<Exit>();
  inputs_.assign(inputs.size(), {});
  outputs_.clear();
  std::vector<at::Tensor> recorded;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) {
      recorded.emplace_back();
      continue;
    }
    recorded.push_back(Recordable(inputs[i]));
    if (!needs[i]) continue;
    inputs_[i] = {exit, exit->add_input_metadata(recorded[i])};
    autograd::impl::set_gradient_edge(recorded[i], inputs_[i]);
  }
  std::vector<at::Tensor> outputs = call(recorded);
  for (at::Tensor& output : outputs) {
    outputs_.push_back(output.requires_grad()
                           ? autograd::impl::gradient_edge(output)
                           : autograd::Edge());
    output = output.variable_data();
  }
  return outputs;
}

std::vector<at::Tensor> AtenGradient::Take(
    std::vector<at::Tensor> output_gradients) {
  const c10::InferenceMode no_inference(false);
  const c10::AutoGradMode record(false);
  std::vector<at::Tensor> gradients(inputs_.size());
  autograd::edge_list roots;
  autograd::variable_list from;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (!outputs_[i].is_valid() || !output_gradients[i].defined()) continue;
    roots.push_back(std::move(outputs_[i]));
    from.push_back(Recordable(output_gradients[i]));
  }
  output_gradients.clear();
  outputs_.clear();
  autograd::edge_list wanted;
  std::vector<size_t> place;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (!inputs_[i].is_valid()) continue;
    wanted.push_back(std::move(inputs_[i]));
    place.push_back(i);
  }
  inputs_.clear();
  if (roots.empty() || wanted.empty()) return gradients;
  autograd::variable_list taken =
      autograd::Engine::get_default_engine().execute(
          roots, from, /*keep_graph=*/false, /*create_graph=*/false,
          /*accumulate_grad=*/false, wanted);
  for (size_t i = 0; i < place.size(); ++i)
    gradients[place[i]] = std::move(taken[i]);
  return gradients;
}

}  // namespace autotp::runtime
