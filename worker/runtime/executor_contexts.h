// executor_contexts.h -- what an operation sees of the executor while it runs.
#ifndef AUTOTP_WORKER_RUNTIME_EXECUTOR_CONTEXTS_H_
#define AUTOTP_WORKER_RUNTIME_EXECUTOR_CONTEXTS_H_

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>

#include "worker/runtime/executor.h"
#include "worker/runtime/operation.h"

namespace autotp::runtime {

class Forwarder final : public ForwardContext {
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

class Backwarder final : public BackwardContext {
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

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_EXECUTOR_CONTEXTS_H_
