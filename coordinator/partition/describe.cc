#include "coordinator/partition/describe.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/partition/collective_uses.h"
#include "coordinator/partition/group_words.h"

namespace autotp::partition {

using program::Program;

namespace {

using Verdict = GroupDecision::Verdict;
using Cause = ParameterDecision::Cause;

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
        words_(program, groups_, choice, spmd.ranks),
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
    result_.collectives = CollectiveUses(spmd_);
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

  void AddClass(int g) {
    CutClass entry;
    entry.name = words_.NameOf(g);
    entry.unit = words_.UnitOf(g);
    entry.units = groups_[g].units;
    if (const Obstacle* few = FewHeads(groups_[g])) {
      entry.units = few->number;
      entry.unit = groups_[g].has_query_heads ? "head" : "KV group";
    }
    if (choice_.groups[g].verdict == Verdict::kCut)
      entry.units_per_rank =
          UnitsPerRank(groups_[g], spmd_.ranks, choice_.grain);
    entry.reason = words_.ReasonOf(g);
    entry.missing_rule = words_.MissingRuleOf(g);
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
    return words_.ReasonOf(best);
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

  const Program& program_;
  const Axes& axes_;
  const CutGroups& cut_groups_;
  const std::vector<CutGroup>& groups_;
  const Choice& choice_;
  const SpmdProgram& spmd_;
  Partitioned& result_;
  const GroupWords words_;
  struct Total {
    double elements = 0;
    double cost = 0;
  };
  std::vector<Total> totals_;  // [class]
  std::vector<int> class_of_;  // [group]; -1: not told
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
