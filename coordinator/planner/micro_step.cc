#include "coordinator/planner/micro_step.h"

#include <algorithm>
#include <utility>

namespace autotp::planner {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;
using program::ValueKind;

namespace {

constexpr int64_t kFloatBytes = 4;
constexpr int64_t kIndexBytes = 8;
// Pieces in which worker/runtime sums the gradient of a norm's weight.
constexpr int64_t kNormPieces = 16;

int64_t Product(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

// One range can be a view.
bool IsOneRange(const Node& node) {
  return program::IntegersOf(node, "intervals").size() == 2;
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
      last_use_(local.values.size(), -1),
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
      last_use_[v] = static_cast<int>(n);
      if (needs_gradient_[v]) runs_backward_[n] = true;
    }
    for (const ValueId v : node.outputs) {
      needs_gradient_[v] =
          runs_backward_[n] && local.values[v].kind != ValueKind::kIndex &&
          local.values[v].kind != ValueKind::kBool;
    }
  }
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
  for (int n = 0; n < count; ++n) Forward(n);
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
  if (once && last_use_[v] == at_ && !is_parameter_[v])
    return std::move(tensors_[v]);
  return tensors_[v];
}

Held MicroStep::OwnInput(const Node& node, size_t i) {
  Held held = TakeInput(node, i);
  return IsOwned(held) ? held
                       : Narrowed(MakeFloat(node.inputs[i]), node.inputs[i]);
}

void MicroStep::Give(const Node& node, size_t i, Held made) {
  const ValueId v = node.outputs[i];
  tensors_[v] = Narrowed(std::move(made), v);
}

void MicroStep::Forward(int n) {
  at_ = n;
  const Node& node = local_.nodes[n];
  ForwardKeeping(node, &kept_[n]);
  for (const ValueId v : node.inputs) {
    if (v != kNoValue && last_use_[v] == n) tensors_[v].reset();
  }
}

void MicroStep::ForwardKeeping(const Node& node, std::vector<Held>* kept) {
  const auto tensor = [&](size_t i) { return tensors_[node.inputs[i]]; };
  switch (node.operation) {
    case Operation::kEmbedding: {
      const ValueId v = node.outputs[0];
      // Ids of this rank's rows, and which are elsewhere.
      const Held local =
          Make(program::IntegerOf(node, "row_end", -1) < 0
                   ? 0
                   : (kIndexBytes + 1) * Elements(node.inputs[1]));
      tensors_[v] =
          Make((IsNarrow(v) ? compute_bytes_ : kFloatBytes) * Elements(v));
      return;
    }
    case Operation::kLinear:
    case Operation::kActivation: {
      kept->push_back(tensor(0));
      const Held x = FloatInput(node, 0);
      const Held weight = FloatInput(node, 1);
      Give(node, 0, MakeFloat(node.outputs[0]));
      return;
    }
    case Operation::kRmsNorm:
    case Operation::kLayerNorm: {
      kept->push_back(tensor(0));
      const Held x = FloatInput(node, 0);
      const int64_t columns = local_.values[node.inputs[0]].shape.back();
      const int64_t rows =
          columns == 0 ? 0 : Elements(node.inputs[0]) / columns;
      const int64_t numbers = node.operation == Operation::kRmsNorm ? 1 : 2;
      Held y = MakeFloat(node.outputs[0]);
      kept->push_back(Make(numbers * rows * kFloatBytes));
      Give(node, 0, std::move(y));
      return;
    }
    case Operation::kRotaryTable:  // made once; the operation keeps them
    case Operation::kAlibiTable:
      for (const ValueId v : node.outputs) {
        tensors_[v] = MakeFloat(v);
        kept->push_back(tensors_[v]);
      }
      return;
    case Operation::kAttention: {
      for (const size_t i : {0, 1, 2}) kept->push_back(tensor(i));
      const Held q = FloatInput(node, 0);
      const Held k = FloatInput(node, 1);
      const Held v = FloatInput(node, 2);
      const std::vector<int64_t>& shape = local_.values[node.inputs[0]].shape;
      Held y = MakeFloat(node.outputs[0]);
      kept->push_back(y);
      kept->push_back(Make(shape[0] * shape[1] * shape[2] * kFloatBytes));
      Give(node, 0, std::move(y));
      return;
    }
    case Operation::kGatedActivation: {
      for (const size_t i : {0, 1}) kept->push_back(TakeInput(node, i));
      const Held gate = Widened((*kept)[0], node.inputs[0]);
      const Held up = Widened((*kept)[1], node.inputs[1]);
      Give(node, 0, MakeFloat(node.outputs[0]));
      return;
    }
    case Operation::kAdd: {
      const Held b = FloatInput(node, 1);
      Held a = TakeInput(node, 0);
      if (IsNarrow(node.inputs[0]) || !IsOwned(a)) {
        const Held wide = Widened(a, node.inputs[0]);
        Give(node, 0, MakeFloat(node.outputs[0]));
      } else {
        Give(node, 0, std::move(a));
      }
      return;
    }
    case Operation::kReshape:
    case Operation::kTranspose:
    case Operation::kCopy:
    case Operation::kSlice:
      tensors_[node.outputs[0]] = TakeInput(node, 0);
      return;
    case Operation::kAllReduce:
      tensors_[node.outputs[0]] = OwnInput(node, 0);
      return;
    case Operation::kTake:
      tensors_[node.outputs[0]] =
          IsOneRange(node)
              ? tensor(0)
              : Narrowed(MakeFloat(node.outputs[0]), node.outputs[0]);
      return;
    case Operation::kAllGather:
      tensors_[node.outputs[0]] =
          Gathered(node, node.inputs[0], node.outputs[0]);
      return;
    case Operation::kReduceScatter:
      tensors_[node.outputs[0]] =
          Scattered(node, node.inputs[0], node.outputs[0]);
      return;
    case Operation::kConcat:
    case Operation::kStack:
      tensors_[node.outputs[0]] =
          Make((IsNarrow(node.outputs[0]) ? compute_bytes_ : kFloatBytes) *
               Elements(node.outputs[0]));
      return;
    case Operation::kCrossEntropy: {
      Held logits = TakeInput(node, 0);
      if (IsNarrow(node.inputs[0]) || !IsOwned(logits))
        logits = MakeFloat(node.inputs[0]);
      kept->push_back(std::move(logits));  // becomes the gradient
      Give(node, 0, MakeFloat(node.outputs[0]));
      return;
    }
    case Operation::kExperts: {
      for (const size_t i : {0, 1}) kept->push_back(tensor(i));
      const Held x = FloatInput(node, 0);
      const int64_t rows = Elements(node.inputs[1]);
      const std::vector<int64_t>& gate = local_.values[node.inputs[3]].shape;
      // Rows sorted by expert: tokens, gates and ups (kept), results.
      const Held sorted = Make(rows * gate[1] * kFloatBytes);
      kept->push_back(Make(2 * rows * gate[0] * kFloatBytes));
      const Held inner = Make(rows * gate[0] * kFloatBytes);
      const Held results = Make(rows * gate[1] * kFloatBytes);
      Give(node, 0, MakeFloat(node.outputs[0]));
      return;
    }
    case Operation::kScale:
    case Operation::kRotary: {
      const Held x = FloatInput(node, 0);
      Give(node, 0, MakeFloat(node.outputs[0]));
      return;
    }
    default: {  // keeps all that it reads
      std::vector<Held> wide;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] == kNoValue) continue;
        kept->push_back(tensor(i));
        wide.push_back(FloatInput(node, i));
      }
      for (size_t i = 0; i < node.outputs.size(); ++i)
        Give(node, i, MakeFloat(node.outputs[i]));
      return;
    }
  }
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
  const Node& node = local_.nodes[n];
  bool reached = false;
  for (const ValueId v : node.outputs)
    reached = reached || gradients_[v] != nullptr;
  if (runs_backward_[n] && reached) BackwardDense(node, std::move(kept_[n]));
  for (const ValueId v : node.outputs) gradients_[v].reset();
}

void MicroStep::BackwardDense(const Node& node, std::vector<Held> kept) {
  switch (node.operation) {
    case Operation::kLinear: {
      const Held dy = FloatGradient(node);
      {
        const Held x = std::move(kept[0]);
        if (Needs(node, 1)) const Held wide = Widened(x, node.inputs[0]);
      }
      const Held weight = Needs(node, 0) && IsNarrow(node.inputs[1])
                              ? MakeFloat(node.inputs[1])
                              : nullptr;
      WriteGradient(node, 0);
      // A computed weight has a gradient like any value.
      WriteGradient(node, 1);
      return;
    }
    case Operation::kEmbedding: {  // writes into the weight's gradient
      const Held dy = FloatGradient(node);
      return;
    }
    case Operation::kRmsNorm: {
      const Held dy = FloatGradient(node);
      const Held x = Widened(std::move(kept[0]), node.inputs[0]);
      const Held sums = Make(kNormPieces * kFloatBytes *
                             local_.values[node.inputs[0]].shape.back());
      WriteGradient(node, 0);
      return;
    }
    case Operation::kAttention: {
      const Held dy = FloatGradient(node);
      std::vector<Held> wide;
      std::vector<Held> made;
      for (const size_t i : {0, 1, 2})
        wide.push_back(Widened(std::move(kept[i]), node.inputs[i]));
      for (const size_t i : {0, 1, 2})
        made.push_back(MakeFloat(node.inputs[i]));
      for (const size_t i : {0, 1, 2}) AddToInput(node, i, std::move(made[i]));
      return;
    }
    case Operation::kGatedActivation: {
      const Held dy = FloatGradient(node);
      for (const size_t i : {0, 1}) {
        Held own = std::move(kept[i]);
        if (IsNarrow(node.inputs[i]) || !IsOwned(own))
          own = MakeFloat(node.inputs[i]);
        kept[i] = std::move(own);
      }
      for (const size_t i : {0, 1}) AddToInput(node, i, std::move(kept[i]));
      return;
    }
    case Operation::kAdd: {
      Held dy = TakeGradient(node);
      if (Needs(node, 1)) {
        const bool same = Elements(node.inputs[1]) == Elements(node.outputs[0]);
        AddToInput(node, 1, same ? dy : MakeFloat(node.inputs[1]));
      }
      AddToInput(node, 0, std::move(dy));
      return;
    }
    case Operation::kReshape:
    case Operation::kTranspose:
    case Operation::kAllReduce:
      AddToInput(node, 0, TakeGradient(node));
      return;
    case Operation::kCopy: {
      Held dy = TakeGradient(node);
      if (!IsOwned(dy))
        dy = Narrowed(MakeFloat(node.outputs[0]), node.outputs[0]);
      AddToInput(node, 0, std::move(dy));
      return;
    }
    case Operation::kSlice: {
      const Held dy = TakeGradient(node);
      WriteGradient(node, 0);
      return;
    }
    case Operation::kConcat:
    case Operation::kStack: {
      const Held dy = TakeGradient(node);
      for (size_t i = 0; i < node.inputs.size(); ++i) AddToInput(node, i, dy);
      return;
    }
    case Operation::kAllGather: {
      const Held dy = TakeGradient(node);
      AddToInput(node, 0,
                 program::FlagOf(node, "summed", false)
                     ? Scattered(node, node.outputs[0], node.inputs[0])
                     : dy);
      return;
    }
    case Operation::kReduceScatter: {
      const Held dy = TakeGradient(node);
      AddToInput(node, 0, Gathered(node, node.outputs[0], node.inputs[0]));
      return;
    }
    case Operation::kExperts: {
      const Held dy = FloatGradient(node);
      const int64_t rows = Elements(node.inputs[1]);
      const std::vector<int64_t>& gate = local_.values[node.inputs[3]].shape;
      // Sorted rows of tokens, of gradients, and of the tokens' gradients.
      const Held sorted = Make(3 * rows * gate[1] * kFloatBytes);
      const Held inner = Make(2 * rows * gate[0] * kFloatBytes);
      WriteGradient(node, 0);
      AddToInput(node, 1, MakeFloat(node.inputs[1]));
      return;
    }
    case Operation::kCrossEntropy: {
      const Held outer = FloatGradient(node);
      AddToInput(node, 0, std::move(kept[0]));
      return;
    }
    default: {
      const Held dy = FloatGradient(node);
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (Needs(node, i)) AddToInput(node, i, MakeFloat(node.inputs[i]));
      }
      return;
    }
  }
}

}  // namespace autotp::planner
