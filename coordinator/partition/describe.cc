#include "coordinator/partition/describe.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "coordinator/program/shape_rules.h"

namespace autotp::partition {

using program::ElementCount;
using program::Operation;
using program::Program;

namespace {

using Verdict = GroupDecision::Verdict;
using Cause = ParameterDecision::Cause;

constexpr int64_t kNumbersPerTokenOfLoss = 3;
// The maxima first; then sums and targets.
constexpr int64_t kExchangesOfLoss = 2;

// "layers.3.mlp" and "layers.4.mlp" are one name for people: "layers.*.mlp".
std::string WithoutLayer(const std::string& name) {
  std::vector<std::string> parts = absl::StrSplit(name, '.');
  for (std::string& part : parts) {
    if (!part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
          return std::isdigit(static_cast<unsigned char>(c)) != 0;
        }))
      part = "*";
  }
  return absl::StrJoin(parts, ".");
}

const Obstacle* FewHeads(const CutGroup& group) {
  for (const Obstacle& obstacle : group.obstacles)
    if (obstacle.kind == Obstacle::Kind::kFewHeads) return &obstacle;
  return nullptr;
}

std::string Plural(int64_t count, const std::string& unit) {
  return absl::StrCat(count, " ", unit, count == 1 ? "" : "s");
}

// "2 + 2 + 1", or "40 x 2 + 24 x 1" where that many ranks share.
std::string Shares(const std::vector<int64_t>& shares) {
  constexpr size_t kMostWritten = 8;
  if (shares.size() <= kMostWritten) return absl::StrJoin(shares, " + ");
  std::vector<std::string> runs;
  for (size_t begin = 0; begin < shares.size();) {
    size_t end = begin;
    while (end < shares.size() && shares[end] == shares[begin]) ++end;
    runs.push_back(absl::StrCat(end - begin, " x ", shares[begin]));
    begin = end;
  }
  return absl::StrJoin(runs, " + ");
}

std::string Split(const CutClass& cut) {
  return absl::StrCat(cut.name, ": ", Plural(cut.units, cut.unit), " = ",
                      Shares(cut.units_per_rank));
}

class Describer {
 public:
  Describer(const Program& program, const Axes& axes,
            const CutGroups& cut_groups, const Choice& choice,
            const SpmdProgram& spmd, Partitioned* result)
      : program_(program),
        axes_(axes),
        cut_groups_(cut_groups),
        groups_(cut_groups.groups()),
        choice_(choice),
        spmd_(spmd),
        result_(*result),
        class_of_(groups_.size(), -1) {}

  void Run() {
    for (size_t g = 0; g < groups_.size(); ++g)
      if (IsTold(static_cast<int>(g))) AddClass(static_cast<int>(g));
    for (size_t c = 0; c < result_.classes.size(); ++c) {
      if (result_.classes[c].units_per_rank.empty()) continue;
      absl::StrAppend(&result_.classes[c].reason, ": spreads ",
                      static_cast<int64_t>(totals_[c].elements),
                      " weights for ", static_cast<int64_t>(totals_[c].cost),
                      " numbers sent per token");
    }
    for (const SpmdParameter& parameter : spmd_.parameters)
      AddParameter(parameter);
    NoteNeighbours();
    for (const SpmdNode& node : spmd_.nodes) AddCollective(node);
  }

 private:
  // Classes without weights mean nothing to people.
  bool IsTold(int g) const {
    for (const GroupMember& member : groups_[g].members) {
      if (choice_.groups[g].verdict == Verdict::kCut ||
          program_.parameters[member.parameter].shape.size() >= 2)
        return true;
    }
    return false;
  }

  std::string NameOf(int g) const {
    const CutGroup& group = groups_[g];
    if (group.has_vocabulary) return "vocabulary";
    if (group.has_query_heads) return "attention";
    if (group.has_key_heads) return "keys and values";
    if (group.has_activation) return "mlp";
    if (group.members.empty()) return "activations";
    return WithoutLayer(program_.parameters[group.members[0].parameter].name);
  }

  std::string UnitOf(int g) const {
    const CutGroup& group = groups_[g];
    if (group.has_vocabulary) return "row";
    if (group.has_key_heads && group.units != group.query_heads)
      return "KV group";
    if (group.has_query_heads) return "head";
    return "column";
  }

  std::string ReasonOf(int g) const {
    const CutGroup& group = groups_[g];
    const GroupDecision& decision = choice_.groups[g];
    switch (decision.verdict) {
      case Verdict::kCut:
        return decision.by_rule ? "cut by rule" : "cut";
      case Verdict::kObstacle:
        return ObstacleText(group);
      case Verdict::kTooFewUnits:
        return absl::StrCat("only ", Plural(group.units, UnitOf(g)), " for ",
                            spmd_.ranks, " ranks");
      case Verdict::kClash:
        return absl::StrCat("a value would be cut in two dimensions, and ",
                            NameOf(decision.other), " is worth more");
      case Verdict::kWholeByRule:
        return "whole by rule";
      case Verdict::kNoBenefit:
        break;
    }
    return "cutting it would spread no weights";
  }

  std::string ObstacleText(const CutGroup& group) const {
    if (const Obstacle* few = FewHeads(group))
      return absl::StrCat(
          Plural(few->number, group.has_query_heads ? "head" : "KV group"),
          " for ", spmd_.ranks, " ranks: whole on every rank");
    const Obstacle& obstacle = group.obstacles[0];
    switch (obstacle.kind) {
      case Obstacle::Kind::kOperation:
        return absl::StrCat(
            OperationName(program_.nodes[obstacle.node].operation),
            " needs it whole");
      case Obstacle::Kind::kReshape:
        return "a reshape mixes it with other dimensions";
      default:
        return "slices or concatenations of it do not line up";
    }
  }

  void AddClass(int g) {
    CutClass entry;
    entry.name = NameOf(g);
    entry.unit = UnitOf(g);
    entry.units = groups_[g].units;
    if (const Obstacle* few = FewHeads(groups_[g])) {
      entry.units = few->number;
      entry.unit = groups_[g].has_query_heads ? "head" : "KV group";
    }
    if (choice_.groups[g].verdict == Verdict::kCut)
      entry.units_per_rank = SpreadUnits(entry.units, spmd_.ranks);
    entry.reason = ReasonOf(g);
    const auto [at, is_new] =
        index_.emplace(std::tuple(entry.name, entry.unit, entry.units,
                                  entry.units_per_rank, entry.reason),
                       static_cast<int>(result_.classes.size()));
    if (is_new) {
      result_.classes.push_back(std::move(entry));
      totals_.emplace_back();
    }
    class_of_[g] = at->second;
    totals_[at->second].cost += groups_[g].cost;
    for (const GroupMember& member : groups_[g].members) {
      totals_[at->second].elements += member.elements;
      const auto pair =
          std::pair(program_.parameters[member.parameter].name, member.dim);
      auto& members = result_.classes[at->second].members;
      if (members.empty() || members.back() != pair) members.push_back(pair);
    }
  }

  absl::Span<const Block> BlocksOf(int p, int d) const {
    return cut_groups_.BlocksOf(axes_.DimOf(program_.parameters[p].value, d));
  }

  // Why no group cuts it: the dimension that came closest speaks.
  std::string WholeReason(int p) const {
    int best = -1;
    int best_rank = -1;
    const auto rank = [this](int g) {
      switch (choice_.groups[g].verdict) {
        case Verdict::kClash:
        case Verdict::kTooFewUnits:
          return 3;
        case Verdict::kWholeByRule:
          return 2;
        case Verdict::kObstacle:
          return FewHeads(groups_[g]) != nullptr ? 3 : 1;
        default:
          return 0;
      }
    };
    const int dims = static_cast<int>(program_.parameters[p].shape.size());
    for (int d = 0; d < dims; ++d) {
      for (const Block& block : BlocksOf(p, d)) {
        if (rank(block.group) <= best_rank) continue;
        best = block.group;
        best_rank = rank(block.group);
      }
    }
    if (best < 0) return "a scalar";
    if (choice_.groups[best].verdict == Verdict::kCut)
      return "used only beside what is cut";
    return ReasonOf(best);
  }

  std::string ReasonOfParameter(int p, const ParameterDecision& decision,
                                int cut_class) const {
    switch (decision.cause) {
      case Cause::kGroup:
        return Split(result_.classes[cut_class]);
      case Cause::kRule:
        if (decision.cut.dim < 0) return "whole by rule";
        if (!decision.by_units)
          return "cut by rule, evenly: the program gives no units";
        if (cut_class >= 0 &&
            !result_.classes[cut_class].units_per_rank.empty())
          return absl::StrCat("cut by rule; ",
                              Split(result_.classes[cut_class]));
        return "cut by rule, by the units of the program";
      case Cause::kRuleFewHeads:
        return absl::StrCat("whole although a rule cuts it: ", decision.number,
                            " heads for ", spmd_.ranks, " ranks");
      case Cause::kNone:
        break;
    }
    return WholeReason(p);
  }

  void AddParameter(const SpmdParameter& parameter) {
    const int p = parameter.source;
    const ParameterDecision& decision = choice_.parameters[p];
    ParameterCut cut;
    cut.dim = decision.cut.dim;
    cut.partial_gradient = parameter.partial_gradient;
    if (cut.dim >= 0) {
      cut.ranks = *decision.cut.ranks;
      if (decision.by_units) {
        const absl::Span<const Block> blocks = BlocksOf(p, cut.dim);
        for (const Block& block : blocks)
          cut.blocks.push_back(block.end - block.begin);
        cut.cut_class = class_of_[blocks[0].group];
      } else {
        cut.blocks = {program_.parameters[p].shape[cut.dim]};
      }
    }
    cut.reason = ReasonOfParameter(p, decision, cut.cut_class);
    if (cut.blocks.size() > 1)
      absl::StrAppend(&cut.reason, "; each of its blocks ", Shares(cut.blocks),
                      " cut on its own");
    if (cut.partial_gradient)
      absl::StrAppend(&cut.reason, "; its gradient is summed over the ranks");
    result_.parameters.emplace(program_.parameters[p].name, std::move(cut));
  }

  void NoteNeighbours() {
    producers_.assign(spmd_.values.size(), nullptr);
    users_.assign(spmd_.values.size(), {});
    parameter_of_.assign(spmd_.values.size(), -1);
    for (const SpmdParameter& parameter : spmd_.parameters)
      parameter_of_[parameter.value] = parameter.source;
    for (const SpmdNode& node : spmd_.nodes) {
      for (int v : node.outputs) producers_[v] = &node;
      for (int v : node.inputs)
        if (v >= 0) users_[v].push_back(&node);
    }
  }

  std::vector<int> ParametersOf(const SpmdNode& node) const {
    std::vector<int> found;
    for (int v : node.inputs)
      if (v >= 0 && parameter_of_[v] >= 0) found.push_back(parameter_of_[v]);
    return found;
  }

  // The weights that made `value`: those of the nearest node that has any.
  std::vector<int> WeightsBehind(int value) const {
    if (parameter_of_[value] >= 0) return {parameter_of_[value]};
    while (producers_[value] != nullptr) {
      const SpmdNode& node = *producers_[value];
      std::vector<int> found = ParametersOf(node);
      if (!found.empty()) return found;
      if (node.inputs.empty() || node.inputs[0] < 0) return {};
      value = node.inputs[0];
    }
    return {};
  }

  std::vector<int> WeightsThatRead(int value) const {
    std::vector<int> found;
    for (const SpmdNode* user : users_[value]) {
      const std::vector<int> own = ParametersOf(*user);
      found.insert(found.end(), own.begin(), own.end());
    }
    return found;
  }

  // Ranks travel at the length of the longest.
  int64_t GatheredElements(const SpmdValue& value) const {
    int64_t longest = 0;
    for (int rank = 0; rank < spmd_.ranks; ++rank)
      longest = std::max(longest, value.LocalLength(rank));
    std::vector<int64_t> shape = value.shape;
    shape[value.dim] = longest * spmd_.ranks;
    return ElementCount(shape);
  }

  void AddCollective(const SpmdNode& node) {
    CollectiveUse use;
    use.operation = node.operation;
    use.scope = node.scope;
    use.reason = node.reason;
    switch (node.operation) {
      case Operation::kCopy:
        use.backward = true;
        use.elements = ElementCount(spmd_.values[node.inputs[0]].shape);
        use.parameters = WeightsThatRead(node.outputs[0]);
        break;
      case Operation::kAllReduce:
        use.elements = ElementCount(spmd_.values[node.inputs[0]].shape);
        use.parameters = WeightsBehind(node.inputs[0]);
        break;
      case Operation::kAllGather:
        use.elements = GatheredElements(spmd_.values[node.inputs[0]]);
        use.parameters = WeightsBehind(node.inputs[0]);
        if (node.attributes.contains("summed")) {
          result_.collectives.push_back(use);
          use.operation = Operation::kReduceScatter;
          use.reason.clear();
          use.backward = true;
          use.parameters = WeightsThatRead(node.outputs[0]);
        }
        break;
      case Operation::kReduceScatter:
        use.elements = GatheredElements(spmd_.values[node.outputs[0]]);
        use.parameters = WeightsBehind(node.inputs[0]);
        result_.collectives.push_back(use);
        use.operation = Operation::kAllGather;
        use.reason.clear();
        use.backward = true;
        break;
      case Operation::kCrossEntropy:
        if (node.range.empty()) return;
        use.elements = kNumbersPerTokenOfLoss *
                       ElementCount(spmd_.values[node.inputs[1]].shape);
        use.calls = kExchangesOfLoss;
        use.parameters = WeightsBehind(node.inputs[0]);
        break;
      case Operation::kRmsNorm: {
        if (!node.attributes.contains("size")) return;
        const std::vector<int64_t>& x = spmd_.values[node.inputs[0]].shape;
        constexpr int64_t kBothWays = 2;
        use.elements = kBothWays * ElementCount(x) / x.back();
        break;
      }
      default:
        return;
    }
    result_.collectives.push_back(std::move(use));
  }

  const Program& program_;
  const Axes& axes_;
  const CutGroups& cut_groups_;
  const std::vector<CutGroup>& groups_;
  const Choice& choice_;
  const SpmdProgram& spmd_;
  Partitioned& result_;
  struct Total {
    double elements = 0;
    double cost = 0;
  };
  std::vector<Total> totals_;                        // [class]
  std::vector<const SpmdNode*> producers_;           // [spmd value]
  std::vector<std::vector<const SpmdNode*>> users_;  // [spmd value]
  std::vector<int> parameter_of_;                    // [spmd value]; -1: none
  std::vector<int> class_of_;                        // [group]; -1: not told
  std::map<std::tuple<std::string, std::string, int64_t, std::vector<int64_t>,
                      std::string>,
           int>
      index_;
};

}  // namespace

void Describe(const Program& program, const Axes& axes,
              const CutGroups& cut_groups, const Choice& choice,
              const SpmdProgram& spmd, Partitioned* result) {
  Describer(program, axes, cut_groups, choice, spmd, result).Run();
}

}  // namespace autotp::partition
