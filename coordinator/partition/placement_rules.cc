#include "coordinator/partition/placement_rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"
#include "coordinator/partition/aten_rules.h"

namespace autotp::partition {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::Program;

namespace {

// "..." stands for any leading dimensions, aligned at their right end.
struct TableRow {
  Operation operation;
  absl::string_view inputs;
  absl::string_view output;
  absl::string_view blocked = "";
  absl::string_view summed = "";
  int after_sum = -1;
};

constexpr TableRow kTable[] = {
    {Operation::kEmbedding, "vh,...", "...h", "", "v"},
    {Operation::kLinear, "...k,nk,n", "...n", "", "k", 2},
    {Operation::kRmsNorm, "...c,c", "...c", "c"},
    {Operation::kLayerNorm, "...c,c,c", "...c", "c"},
    {Operation::kRotary, "bhtd,td,td", "bhtd", "d"},
    {Operation::kAttention, "bhtd,bhsd,bhse,hs,bt,bs", "bhte", "tsde"},
    {Operation::kActivation, "...", "..."},
    {Operation::kGatedActivation, "...,...", "..."},
    {Operation::kAdd, "...,...", "..."},
    {Operation::kMul, "...,...", "..."},
    {Operation::kScale, "...", "..."},
    {Operation::kDropout, "...", "..."},
    {Operation::kRouter, "...e,e", "...k", "ek"},
    {Operation::kCrossEntropy, "btv,bt", "", "bt", "v"},
};

constexpr TableRow kTransposedLinear = {
    Operation::kLinear, "...k,kn,n", "...n", "", "k", 2};

constexpr TableRow kNormOfALinear = {Operation::kRmsNorm, "...c,c", "...c"};

constexpr int kFirstLeading = 32;  // labels of "...", from the right
constexpr int kMostLeading = 32;
constexpr absl::string_view kEllipsis = "...";

uint64_t Bits(absl::string_view letters) {
  uint64_t bits = 0;
  for (char letter : letters) bits |= uint64_t{1} << (letter - 'a');
  return bits;
}

std::vector<DimLabel> Labels(absl::string_view text, size_t rank) {
  std::vector<DimLabel> labels;
  if (text.substr(0, kEllipsis.size()) == kEllipsis) {
    text.remove_prefix(kEllipsis.size());
    const int leading = static_cast<int>(rank - text.size());
    for (int i = leading - 1; i >= 0; --i) {
      labels.push_back({i < kMostLeading ? kFirstLeading + i : kNoLabel});
    }
  }
  for (char letter : text) labels.push_back({letter - 'a'});
  return labels;
}

std::vector<DimLabel> NumberedLabels(size_t rank) {
  std::vector<DimLabel> labels(rank);
  for (size_t d = 0; d < rank && d < kMostLeading; ++d)
    labels[d].label = static_cast<int>(d);
  return labels;
}

// An input's dimension that is shorter than the output's is repeated: the key
// heads of attention, each for its query heads; elsewhere its one position,
// for all (no label).
void MarkRepeats(const Program& program, const Node& node,
                 PlacementRule* rule) {
  const std::vector<int64_t>& out = program.values[node.outputs[0]].shape;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const std::vector<int64_t>& in = program.values[node.inputs[i]].shape;
    for (size_t d = 0; d < in.size(); ++d) {
      DimLabel& mine = rule->inputs[i][d];
      for (size_t e = 0; e < out.size(); ++e) {
        if (mine.label == kNoLabel || rule->output[e].label != mine.label ||
            in[d] == out[e])
          continue;
        if (node.operation != Operation::kAttention || in[d] == 0)
          mine.label = kNoLabel;
        else
          mine.repeat = out[e] / in[d];
      }
    }
  }
}

PlacementRule FromTable(const Program& program, const Node& node,
                        const TableRow& row) {
  PlacementRule rule;
  absl::string_view rest = row.inputs;
  for (program::ValueId input : node.inputs) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const absl::string_view text = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    rule.inputs.push_back(
        input == kNoValue ? std::vector<DimLabel>{}
                          : Labels(text, program.values[input].shape.size()));
  }
  rule.output =
      Labels(row.output, program.values[node.outputs[0]].shape.size());
  rule.blocked = Bits(row.blocked);
  rule.summed = Bits(row.summed);
  rule.after_sum = row.after_sum;
  MarkRepeats(program, node, &rule);
  return rule;
}

// A norm of what a linear yields may be cut as that is, for one number per row;
// over the residual stream it needs whole rows: with these cut, every linear
// that reads them would yield a sum.
bool NormsALinear(const Program& program, const Node& norm) {
  return std::any_of(program.nodes.begin(), program.nodes.end(),
                     [&norm](const Node& node) {
                       return node.operation == Operation::kLinear &&
                              node.outputs[0] == norm.inputs[0];
                     });
}

// The experts' inner width is cut, all of them alike: each rank has a part of
// every expert, and its results are partial sums.
PlacementRule OfExperts(const Program& program, const Node& node) {
  const size_t count = static_cast<size_t>(IntegerOf(node, "count"));
  PlacementRule rule;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const absl::string_view text = i == 0              ? "...h"
                                   : i < 3             ? "...k"
                                   : i < 3 + 2 * count ? "ih"
                                                       : "hi";
    rule.inputs.push_back(
        Labels(text, program.values[node.inputs[i]].shape.size()));
  }
  rule.output = rule.inputs[0];
  rule.blocked = Bits("hk");
  rule.summed = Bits("i");
  return rule;
}

// The logits of all routers, whole.
PlacementRule OfRouterLoss(const Program& program, const Node& node) {
  PlacementRule rule;
  for (program::ValueId input : node.inputs)
    rule.inputs.push_back(Labels("...e", program.values[input].shape.size()));
  rule.blocked = Bits("e");
  return rule;
}

// All dimensions but the one that is sliced, joined or repeated.
PlacementRule AllBut(const Program& program, const Node& node, int64_t dim) {
  PlacementRule rule;
  const size_t rank = program.values[node.outputs[0]].shape.size();
  rule.output = NumberedLabels(rank);
  rule.output[dim].label = kNoLabel;
  rule.inputs.assign(node.inputs.size(), rule.output);
  return rule;
}

PlacementRule WithoutLabels(const Program& program, const Node& node) {
  PlacementRule rule;
  for (program::ValueId input : node.inputs)
    rule.inputs.emplace_back(
        input == kNoValue ? 0 : program.values[input].shape.size());
  if (!node.outputs.empty())
    rule.output.resize(program.values[node.outputs[0]].shape.size());
  return rule;
}

}  // namespace

PlacementRule RuleOf(const Program& program, const Node& node) {
  if (node.operation == Operation::kLinear && FlagOf(node, "transposed", false))
    return FromTable(program, node, kTransposedLinear);
  if (node.operation == Operation::kRmsNorm && NormsALinear(program, node))
    return FromTable(program, node, kNormOfALinear);
  if (node.operation == Operation::kAten) return AtenRule(program, node);
  for (const TableRow& row : kTable)
    if (row.operation == node.operation) return FromTable(program, node, row);
  PlacementRule rule;
  switch (node.operation) {
    case Operation::kTranspose: {
      rule.output =
          NumberedLabels(program.values[node.outputs[0]].shape.size());
      rule.inputs = {rule.output};
      std::swap(rule.output[IntegerOf(node, "a")],
                rule.output[IntegerOf(node, "b")]);
      return rule;
    }
    case Operation::kSlice:
    case Operation::kConcat:
      return AllBut(program, node, IntegerOf(node, "dim"));
    case Operation::kStack: {
      // Its first dimension is new: made whole, and cut by whoever reads it.
      rule.output =
          NumberedLabels(program.values[node.outputs[0]].shape.size());
      rule.output[0].label = kNoLabel;
      rule.inputs.assign(node.inputs.size(),
                         {rule.output.begin() + 1, rule.output.end()});
      return rule;
    }
    case Operation::kReshape:  // reshape_cut.h
    case Operation::kRotaryTable:
    case Operation::kAlibiTable:
      return WithoutLabels(program, node);
    case Operation::kExpand: {
      // A rank repeats the one position as often as it owns.
      rule = AllBut(program, node, IntegerOf(node, "dim"));
      rule.output = NumberedLabels(rule.output.size());
      return rule;
    }
    case Operation::kExperts:
      return OfExperts(program, node);
    case Operation::kRouterLoss:
      return OfRouterLoss(program, node);
    default:
      rule = WithoutLabels(program, node);
      rule.missing = true;
      return rule;
  }
}

}  // namespace autotp::partition
