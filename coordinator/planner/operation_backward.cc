// What the gradient of each operation of worker/runtime/operations needs.
#include "coordinator/planner/micro_step.h"

#include <utility>

namespace autotp::planner {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

constexpr int64_t kFloatBytes = 4;
// Pieces in which worker/runtime sums the gradient of a norm's weight.
constexpr int64_t kNormPieces = 16;

}  // namespace

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
    case Operation::kCopy:
    case Operation::kDropout: {
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
