#include "coordinator/planner/micro_step.h"

#include <algorithm>
#include <utility>

#include "coordinator/planner/flops.h"
#include "proto/support/check.h"

namespace autotp::planner {

using program::kNoValue;
using program::Node;
using program::Program;
using program::ValueId;
using program::ValueKind;

namespace {

constexpr int64_t kFloatBytes = 4;

int64_t Product(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

// Do equal parts lie one after the other in the outermost dimension?
bool EqualPartsInOrder(const Node& node) {
  const auto ranks =
      program::DecodeRanks(program::IntegersOf(node, "intervals"));
  if (!ranks.ok() || ranks->empty()) return false;
  const int64_t length =
      program::IntegerOf(node, "size") / static_cast<int64_t>(ranks->size());
  int64_t at = 0;
  for (const program::Intervals& own : *ranks) {
    if (own != program::Intervals{{at, at + length}}) return false;
    at += length;
  }
  return true;
}

}  // namespace

MicroStep::MicroStep(const Program& local, int64_t compute_bytes)
    : local_(local),
      compute_bytes_(compute_bytes),
      is_parameter_(local.values.size(), false),
      needs_gradient_(local.values.size(), false),
      runs_backward_(local.nodes.size(), false),
      tensors_(local.values.size()),
      gradients_(local.values.size()),
      kept_(local.nodes.size()) {
  for (const program::Parameter& parameter : local.parameters) {
    is_parameter_[parameter.value] = true;
    needs_gradient_[parameter.value] = !parameter.frozen;
  }
  for (size_t n = 0; n < local.nodes.size(); ++n) {
    const Node& node = local.nodes[n];
    for (const ValueId v : node.inputs) {
      if (v == kNoValue) continue;
      if (needs_gradient_[v]) runs_backward_[n] = true;
    }
    for (const ValueId v : node.outputs) {
      needs_gradient_[v] =
          runs_backward_[n] && local.values[v].kind != ValueKind::kIndex;
    }
  }
  schedule_ = MakeSchedule();
}

runtime::Schedule MicroStep::MakeSchedule() const {
  std::vector<runtime::ScheduledNode> nodes;
  for (size_t n = 0; n < local_.nodes.size(); ++n) {
    const Node& node = local_.nodes[n];
    nodes.push_back({node.inputs, node.outputs, node.recompute_region,
                     runs_backward_[n] && Keeps(node)});
  }
  auto schedule = runtime::MakeSchedule(nodes, is_parameter_);
  AUTOTP_CHECK(schedule.ok(), schedule.status().ToString());
  return *std::move(schedule);
}

WorkAgain MicroStep::Again() const {
  WorkAgain work;
  const auto bytes = [this](ValueId v) {
    return v == kNoValue || is_parameter_[v] ? 0 : StoredBytes(v);
  };
  for (const auto& [last, passes] : schedule_.again) {
    for (const runtime::Pass& pass : passes) {
      const Node& node = local_.nodes[pass.node];
      const bool wanted = std::find(pass.unwanted.begin(), pass.unwanted.end(),
                                    false) != pass.unwanted.end();
      work.flops += ForwardFlops(local_, node, wanted);
      if (!wanted) continue;
      for (const ValueId v : node.inputs) work.bytes += bytes(v);
      for (const ValueId v : node.outputs) work.bytes += bytes(v);
    }
  }
  return work;
}

int64_t MicroStep::Elements(ValueId v) const {
  return Product(local_.values[v].shape);
}

bool MicroStep::IsNarrow(ValueId v) const {
  return compute_bytes_ != kFloatBytes &&
         local_.values[v].kind == ValueKind::kFloat;
}

Held MicroStep::Widened(Held held, ValueId v) {
  return IsNarrow(v) ? MakeFloat(v) : held;
}

Held MicroStep::Narrowed(Held held, ValueId v) {
  return IsNarrow(v) ? Make(compute_bytes_ * Elements(v)) : held;
}

bool MicroStep::IsFlat(const Node& node, ValueId whole) const {
  const int64_t dim = program::IntegerOf(node, "dim");
  const std::vector<int64_t>& shape = local_.values[whole].shape;
  return std::all_of(shape.begin(), shape.begin() + dim,
                     [](int64_t size) { return size == 1; }) &&
         EqualPartsInOrder(node);
}

int64_t MicroStep::StoredBytes(ValueId v) const {
  return (IsNarrow(v) ? compute_bytes_ : kFloatBytes) * Elements(v);
}

Held MicroStep::Gathered(const Node& node, ValueId part, ValueId whole) {
  Held made = Make(StoredBytes(whole));
  // Parts that lie scattered in it: this rank's and all ranks' as they travel.
  if (IsFlat(node, whole)) return made;
  const Held sent = Make(StoredBytes(part));
  const Held received = Make(StoredBytes(whole));
  return made;
}

Held MicroStep::Scattered(const Node& node, ValueId whole, ValueId part) {
  if (IsFlat(node, whole)) return Make(StoredBytes(part));
  const Held sent = Make(StoredBytes(whole));
  const Held received = Make(StoredBytes(part));
  return Make(StoredBytes(part));
}

int64_t MicroStep::Run() {
  const int count = static_cast<int>(local_.nodes.size());
  for (const runtime::Pass& pass : schedule_.forward) {
    Forward(pass);
    if (local_.nodes[pass.node].recompute_region != 0) kept_[pass.node].clear();
  }
  if (local_.loss != kNoValue) gradients_[local_.loss] = Make(kFloatBytes);
  for (int n = count - 1; n >= 0; --n) Backward(n);
  return meter_.peak;
}

Held MicroStep::FloatInput(const Node& node, size_t i) {
  const ValueId v = i < node.inputs.size() ? node.inputs[i] : kNoValue;
  return v == kNoValue ? nullptr : Widened(tensors_[v], v);
}

Held MicroStep::TakeInput(const Node& node, size_t i) {
  const ValueId v = node.inputs[i];
  const bool once = std::count(node.inputs.begin(), node.inputs.end(), v) == 1;
  if (once && std::find(pass_->freed.begin(), pass_->freed.end(), v) !=
                  pass_->freed.end())
    return std::move(tensors_[v]);
  return tensors_[v];
}

Held MicroStep::OwnInput(const Node& node, size_t i) {
  Held held = TakeInput(node, i);
  return IsOwned(held) ? held
                       : Narrowed(MakeFloat(node.inputs[i]), node.inputs[i]);
}

void MicroStep::Give(const Node& node, size_t i, Held made) {
  if (!Wants(i)) return;
  const ValueId v = node.outputs[i];
  tensors_[v] = Narrowed(std::move(made), v);
}

void MicroStep::Forward(const runtime::Pass& pass) {
  pass_ = &pass;
  ForwardKeeping(local_.nodes[pass.node], &kept_[pass.node]);
  for (const ValueId v : pass.freed) tensors_[v].reset();
}

bool MicroStep::Needs(const Node& node, size_t i) const {
  return i < node.inputs.size() && node.inputs[i] != kNoValue &&
         needs_gradient_[node.inputs[i]];
}

Held MicroStep::TakeGradient(const Node& node) {
  return std::move(gradients_[node.outputs[0]]);
}

Held MicroStep::FloatGradient(const Node& node) {
  const Held stored = TakeGradient(node);
  return Widened(stored, node.outputs[0]);
}

void MicroStep::AddGradient(ValueId v, Held gradient) {
  if (is_parameter_[v]) return;
  Held& existing = gradients_[v];
  if (existing == nullptr)
    existing = Narrowed(std::move(gradient), v);
  else if (!IsOwned(existing))
    existing = Narrowed(MakeFloat(v), v);
}

void MicroStep::AddToInput(const Node& node, size_t i, Held gradient) {
  if (Needs(node, i)) AddGradient(node.inputs[i], std::move(gradient));
}

void MicroStep::WriteGradient(const Node& node, size_t i) {
  if (!Needs(node, i)) return;
  const ValueId v = node.inputs[i];
  if (is_parameter_[v]) return;
  Held existing = std::move(gradients_[v]);
  Held room = existing != nullptr && IsOwned(existing) && !IsNarrow(v)
                  ? std::move(existing)
                  : MakeFloat(v);
  existing.reset();
  gradients_[v] = Narrowed(std::move(room), v);
}

void MicroStep::Backward(int n) {
  if (const auto again = schedule_.again.find(n);
      again != schedule_.again.end()) {
    for (const runtime::Pass& pass : again->second) Forward(pass);
  }
  const Node& node = local_.nodes[n];
  bool reached = false;
  for (const ValueId v : node.outputs)
    reached = reached || gradients_[v] != nullptr;
  if (runs_backward_[n] && reached) BackwardDense(node, std::move(kept_[n]));
  for (const ValueId v : node.outputs) gradients_[v].reset();
}

}  // namespace autotp::planner
