// Experts, forward and backward: our operation against the loop that
// Transformers runs by default (for each expert: find its tokens, two linears,
// index_add) in ATen with LibTorch's autograd. Both on one thread; medians of
// interleaved repetitions, and their ratio.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "autotp/v1/program.pb.h"
#include "proto/support/check.h"
#include "worker/runtime/operation.h"
#include "worker/runtime/registry.h"

namespace autotp::runtime {
namespace {

constexpr int kRepetitions = 9;

struct Shape {
  int64_t tokens, width, inner, experts, top_k;
};

struct Inputs {
  at::Tensor x, weights, chosen;
  at::Tensor gate_up, down;  // [E, 2I, C], [E, C, I]
  at::Tensor gradient;       // of the result
};

Inputs MakeInputs(const Shape& s) {
  at::manual_seed(1);
  return {at::randn({s.tokens, s.width}),
          at::rand({s.tokens, s.top_k}),
          std::get<1>(at::rand({s.tokens, s.experts}).topk(s.top_k)),
          at::randn({s.experts, 2 * s.inner, s.width}) * 0.02,
          at::randn({s.experts, s.width, s.inner}) * 0.02,
          at::randn({s.tokens, s.width})};
}

class Contexts final : public ForwardContext, public BackwardContext {
 public:
  explicit Contexts(std::vector<at::Tensor> inputs)
      : inputs_(std::move(inputs)), gradients_(inputs_.size()) {}
  const at::Tensor& Input(int index) override { return inputs_[index]; }
  at::Tensor TakeInput(int index) override { return inputs_[index]; }
  void Give(int, at::Tensor value) override { output_ = std::move(value); }
  double gradient_factor() override { return 1; }
  bool Needs(int input) override { return input != 2; }  // not the choices
  at::Tensor TakeGradient(int) override { return output_gradient; }
  Room MakeRoom(int input) override {
    return {at::empty_like(inputs_[input]), false};
  }
  void Deliver(int input, Room room) override {
    gradients_[input] = std::move(room.tensor);
  }
  void Add(int input, at::Tensor gradient) override {
    gradients_[input] = std::move(gradient);
  }
  const at::Tensor& gradient(int input) const { return gradients_[input]; }

  at::Tensor output_gradient;

 private:
  std::vector<at::Tensor> inputs_;
  std::vector<at::Tensor> gradients_;
  at::Tensor output_;
};

v1::Attribute& AddAttribute(v1::Node& node, const char* name) {
  v1::Attribute& attribute = *node.add_attributes();
  attribute.set_name(name);
  return attribute;
}

// Our operation, made once, as a program's would be.
class Ours {
 public:
  Ours(const Shape& s, const Inputs& in) : gradient_(in.gradient) {
    inputs_ = {in.x, in.weights, in.chosen};
    const auto add = [&](const at::Tensor& weights, int64_t begin,
                         int64_t rows) {
      for (int64_t e = 0; e < s.experts; ++e)
        inputs_.push_back(weights[e].narrow(0, begin, rows));
    };
    add(in.gate_up, 0, s.inner);
    add(in.gate_up, s.inner, s.inner);
    add(in.down, 0, s.width);
    v1::Program program;
    v1::Node node;
    node.set_operation("experts");
    AddAttribute(node, "kind").set_text("silu");
    AddAttribute(node, "count").set_integer(s.experts);
    for (const at::Tensor& input : inputs_) {
      node.add_inputs(program.values_size());
      v1::Value& value = *program.add_values();
      for (const int64_t size : input.sizes()) value.add_shape(size);
    }
    auto operation = MakeOperation({node, program, nullptr, false});
    AUTOTP_CHECK(operation.ok(), operation.status().ToString());
    operation_ = *std::move(operation);
  }

  // The gradient of x.
  at::Tensor Run() {
    const c10::InferenceMode guard;
    Contexts contexts(inputs_);
    contexts.output_gradient = gradient_;
    AUTOTP_CHECK(operation_->Forward(contexts).ok());
    AUTOTP_CHECK(operation_->Backward(contexts).ok());
    return contexts.gradient(0);
  }

 private:
  const at::Tensor gradient_;
  std::vector<at::Tensor> inputs_;
  std::unique_ptr<Operation> operation_;
};

// Transformers' loop over the experts that were hit.
at::Tensor RunLoop(const Shape& s, const Inputs& in) {
  const auto leaf = [](const at::Tensor& tensor) {
    return tensor.detach().requires_grad_();
  };
  const at::Tensor x = leaf(in.x);
  const at::Tensor weights = leaf(in.weights);
  const at::Tensor gate_up = leaf(in.gate_up);
  const at::Tensor down = leaf(in.down);
  at::Tensor y = at::zeros_like(in.x);
  for (int64_t e = 0; e < s.experts; ++e) {
    const std::vector<at::Tensor> hit = at::where(in.chosen == e);
    if (hit[0].numel() == 0) continue;
    const at::Tensor rows = x.index({hit[0]});
    const auto both = at::linear(rows, gate_up[e]).chunk(2, -1);
    const at::Tensor result = at::linear(at::silu(both[0]) * both[1], down[e]) *
                              weights.index({hit[0], hit[1]}).unsqueeze(-1);
    y = y.index_add(0, hit[0], result);
  }
  y.backward(in.gradient);
  return x.grad();
}

double Median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

template <typename Body>
double Seconds(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  const std::chrono::duration<double> spent =
      std::chrono::steady_clock::now() - start;
  return spent.count();
}

void Measure(const Shape& s) {
  const Inputs in = MakeInputs(s);
  Ours ours(s, in);
  const at::Tensor difference = (ours.Run() - RunLoop(s, in)).abs().max();
  AUTOTP_CHECK(difference.item<double>() < 1e-3);
  std::vector<double> mine, loop;
  for (int i = 0; i < kRepetitions; ++i) {
    mine.push_back(Seconds([&] { ours.Run(); }));
    loop.push_back(Seconds([&] { RunLoop(s, in); }));
  }
  std::printf(
      "%5ld tokens, %4ld wide, %3ld experts of %4ld, %ld chosen: %7.2f ms, "
      "loop %7.2f ms, ratio %.2f\n",
      s.tokens, s.width, s.experts, s.inner, s.top_k, Median(mine) * 1e3,
      Median(loop) * 1e3, Median(mine) / Median(loop));
}

}  // namespace
}  // namespace autotp::runtime

int main() {
  at::set_num_threads(1);
  autotp::runtime::Measure({1024, 512, 1024, 8, 2});
  autotp::runtime::Measure({1024, 512, 256, 64, 8});
  autotp::runtime::Measure({256, 256, 64, 128, 8});
  return 0;
}
