#include "coordinator/partition/label_choice.h"

#include <limits>

#include "coordinator/program/shape_rules.h"

namespace autotp::partition {

using program::kNoValue;
using program::Node;
using program::Program;
using program::ValueId;

namespace {

// A weight is cut for its memory: gathering one is the last resort.
constexpr double kWeightGatherFactor = 1000;
// An all-reduce moves each number twice.
constexpr double kSumFactor = 2;

double Elements(const Program& program, ValueId v) {
  return static_cast<double>(program::ElementCount(program.values[v].shape));
}

// Numbers that running `node` along `candidate` sends.
double CostOf(const Program& program, const SpreadValues& values,
              const Node& node, const PlacementRule& rule,
              const LabelCut& candidate) {
  const bool summed = rule.Summed(candidate.label);
  double cost = summed ? kSumFactor * Elements(program, node.outputs[0]) : 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId input = node.inputs[i];
    if (input == kNoValue || !values.IsCut(input)) continue;
    const DimCut own = values.CutOf(input);
    const DimLabel& label = rule.inputs[i][own.dim];
    const bool fits =
        label.label == candidate.label &&
        !(summed && static_cast<int>(i) == rule.after_sum) &&
        SameRanks(Widen(own.ranks, label.repeat), candidate.ranks);
    if (!fits) {
      cost += Elements(program, input) *
              (values.IsParameter(input) ? kWeightGatherFactor : 1);
    }
  }
  return cost;
}

}  // namespace

std::optional<LabelCut> CheapestLabel(const Program& program,
                                      const SpreadValues& values,
                                      const Node& node,
                                      const PlacementRule& rule) {
  std::optional<LabelCut> best;
  double best_cost = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId input = node.inputs[i];
    if (input == kNoValue || !values.IsCut(input)) continue;
    const DimCut own = values.CutOf(input);
    const DimLabel& label = rule.inputs[i][own.dim];
    if (label.label == kNoLabel || rule.Blocked(label.label)) continue;
    const LabelCut candidate{label.label, Widen(own.ranks, label.repeat)};
    const double cost = CostOf(program, values, node, rule, candidate);
    if (cost < best_cost) {
      best = candidate;
      best_cost = cost;
    }
  }
  return best;
}

std::optional<LabelCut> PlannedLabel(const SpreadValues& values,
                                     const Node& node,
                                     const PlacementRule& rule,
                                     const DimCut& planned) {
  if (planned.dim < 0 || node.inputs.empty()) return std::nullopt;
  const DimLabel& label = rule.output[planned.dim];
  if (label.label == kNoLabel || rule.Blocked(label.label)) return std::nullopt;
  for (ValueId input : node.inputs)
    if (input != kNoValue && values.IsCut(input)) return std::nullopt;
  return LabelCut{label.label, planned.ranks};
}

}  // namespace autotp::partition
