// What each operation of worker/runtime/operations makes, and keeps for its
// backward.
#include "coordinator/planner/micro_step.h"

#include <utility>

namespace autotp::planner {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

constexpr int64_t kFloatBytes = 4;
constexpr int64_t kIndexBytes = 8;

// One range can be a view.
bool IsOneRange(const Node& node) {
  return program::IntegersOf(node, "intervals").size() == 2;
}

}  // namespace

bool MicroStep::Keeps(const Node& node) {
  switch (node.operation) {
    case Operation::kAdd:
    case Operation::kScale:
    case Operation::kDropout:
    case Operation::kReshape:
    case Operation::kTranspose:
    case Operation::kSlice:
    case Operation::kConcat:
    case Operation::kStack:
    case Operation::kExpand:
    case Operation::kRotaryTable:
    case Operation::kAlibiTable:
    case Operation::kCopy:
    case Operation::kAllReduce:
    case Operation::kAllGather:
    case Operation::kReduceScatter:
    case Operation::kTake:
      return false;
    default:
      return true;
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
      if (!Wants(0)) return;
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
      if (!Wants(0)) return;
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
    case Operation::kDropout:
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

}  // namespace autotp::planner
