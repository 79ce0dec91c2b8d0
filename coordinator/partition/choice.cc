#include "coordinator/partition/choice.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::partition {

using program::Intervals;
using program::Parameter;
using program::Program;
using program::ValueId;

namespace {

using Want = ParameterRequest::Want;

// Keeps a group that costs nothing from dividing by zero.
constexpr double kLeastCost = 1e-9;

class Chooser {
 public:
  Chooser(const Program& program, const Axes& axes, const CutGroups& cut_groups,
          int ranks, int64_t grain)
      : program_(program),
        axes_(axes),
        cut_groups_(cut_groups),
        groups_(cut_groups.groups()),
        ranks_(ranks),
        grain_(grain),
        whole_by_rule_(program.values.size(), false),
        owner_(program.values.size(), -1),
        owner_group_(program.values.size(), -1),
        by_axis_(axes.axis.size()) {
    choice_.groups.resize(groups_.size());
    choice_.parameters.resize(program.parameters.size());
    choice_.grain = grain;
    requests_.resize(program.parameters.size());
  }

  absl::Status ReadRequests(
      const std::map<std::string, ParameterRequest>& requests);
  void TakeRequested();
  void TakeByBenefit();
  Choice Finish() &&;

 private:
  absl::Span<const Block> BlocksOfParameter(size_t p, int d) const {
    return cut_groups_.BlocksOf(axes_.DimOf(program_.parameters[p].value, d));
  }
  void Take(int group, bool by_rule);
  int ClashOf(int group) const;
  Ranks RanksOf(int dim);
  Ranks SplitByUnits(absl::Span<const Block> blocks) const;
  DimCut CutOfValue(ValueId value);
  ParameterDecision DecideParameter(size_t p);
  ParameterDecision DecideRequested(size_t p, int d);

  const Program& program_;
  const Axes& axes_;
  const CutGroups& cut_groups_;
  const std::vector<CutGroup>& groups_;
  const int ranks_;
  const int64_t grain_;
  std::vector<ParameterRequest> requests_;  // [parameter]
  std::vector<bool> whole_by_rule_;         // [value]
  std::vector<int> owner_;        // [value]: the dimension that is cut
  std::vector<int> owner_group_;  // [value]: by which group
  std::vector<Ranks> by_axis_;    // [axis]
  // By begin, end, units and first share of each block.
  std::map<std::vector<int64_t>, Ranks> by_blocks_;
  Choice choice_;
};

absl::Status Chooser::ReadRequests(
    const std::map<std::string, ParameterRequest>& requests) {
  std::map<std::string, size_t, std::less<>> names;
  for (size_t p = 0; p < program_.parameters.size(); ++p) {
    const Parameter& parameter = program_.parameters[p];
    for (const std::string& alias : parameter.aliases) names.emplace(alias, p);
    names[parameter.name] = p;
  }
  for (const auto& [name, request] : requests) {
    const auto found = names.find(name);
    if (found == names.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the model has no parameter '", name, "': correct the rule"));
    }
    const Parameter& parameter = program_.parameters[found->second];
    if (request.want == Want::kCut) {
      const int rank = static_cast<int>(parameter.shape.size());
      if (request.dim < 0 || request.dim >= rank) {
        return absl::InvalidArgumentError(absl::StrCat(
            "'", name, "' can't be cut along dimension ", request.dim,
            ": it has ", rank, "; use 0 to ", rank - 1));
      }
      if (parameter.shape[request.dim] < 1) {
        return absl::InvalidArgumentError(absl::StrCat(
            "'", name, "' can't be cut along dimension ", request.dim,
            ": it has no unit at all; leave it whole"));
      }
    }
    // The parameter's own name wins over its aliases.
    if (name == parameter.name || !requests.contains(parameter.name))
      requests_[found->second] = request;
  }
  for (size_t p = 0; p < requests_.size(); ++p) {
    whole_by_rule_[program_.parameters[p].value] =
        requests_[p].want == Want::kWhole;
  }
  return absl::OkStatus();
}

// The group that already cuts one of this group's values elsewhere, or -1.
int Chooser::ClashOf(int group) const {
  for (int dim : groups_[group].dims) {
    const ValueId value = axes_.value_of[dim];
    const int d = dim - axes_.first_dim[value];
    if (owner_[value] >= 0 && owner_[value] != d && !whole_by_rule_[value])
      return owner_group_[value];
  }
  return -1;
}

void Chooser::Take(int group, bool by_rule) {
  choice_.groups[group] = {GroupDecision::Verdict::kCut, -1, by_rule};
  for (int dim : groups_[group].dims) {
    const ValueId value = axes_.value_of[dim];
    if (owner_[value] >= 0) continue;
    owner_[value] = dim - axes_.first_dim[value];
    owner_group_[value] = group;
  }
}

void Chooser::TakeRequested() {
  for (size_t p = 0; p < requests_.size(); ++p) {
    if (requests_[p].want != Want::kCut) continue;
    const absl::Span<const Block> blocks =
        BlocksOfParameter(p, requests_[p].dim);
    const bool usable =
        std::all_of(blocks.begin(), blocks.end(), [this](const Block& block) {
          return groups_[block.group].obstacles.empty();
        });
    if (!usable) continue;
    for (const Block& block : blocks) {
      if (choice_.groups[block.group].verdict != GroupDecision::Verdict::kCut)
        Take(block.group, /*by_rule=*/true);
    }
  }
}

void Chooser::TakeByBenefit() {
  std::vector<std::pair<double, int>> order;
  for (size_t g = 0; g < groups_.size(); ++g) {
    GroupDecision& decision = choice_.groups[g];
    if (decision.verdict == GroupDecision::Verdict::kCut) continue;
    double benefit = 0;
    double free = 0;
    for (const GroupMember& member : groups_[g].members) {
      benefit += member.elements;
      if (requests_[member.parameter].want == Want::kAuto)
        free += member.elements;
    }
    if (!groups_[g].obstacles.empty()) {
      decision.verdict = GroupDecision::Verdict::kObstacle;
    } else if (groups_[g].units < ranks_) {
      decision.verdict = GroupDecision::Verdict::kTooFewUnits;
    } else if (free == 0) {
      decision.verdict = benefit > 0 ? GroupDecision::Verdict::kWholeByRule
                                     : GroupDecision::Verdict::kNoBenefit;
    } else {
      order.emplace_back(-free / (groups_[g].cost + kLeastCost),
                         static_cast<int>(g));
    }
  }
  std::sort(order.begin(), order.end());
  for (const auto& [worth, group] : order) {
    const int other = ClashOf(group);
    if (other >= 0)
      choice_.groups[group] = {GroupDecision::Verdict::kClash, other, false};
    else
      Take(group, /*by_rule=*/false);
  }
}

Ranks Chooser::SplitByUnits(absl::Span<const Block> blocks) const {
  RankIntervals owned(ranks_);
  for (const Block& block : blocks) {
    const int64_t units = groups_[block.group].units;
    if (units == 0) continue;
    const int64_t width = (block.end - block.begin) / units;
    int64_t at = block.begin;
    const std::vector<int64_t> spread =
        UnitsPerRank(groups_[block.group], ranks_, grain_);
    for (int r = 0; r < ranks_; ++r) {
      owned[r].push_back({at, at + spread[r] * width});
      at += spread[r] * width;
    }
  }
  for (Intervals& own : owned) own = program::Normalize(std::move(own));
  return MakeRanks(std::move(owned));
}

// Axes with the same blocks, those of identical layers, share one split.
Ranks Chooser::RanksOf(int dim) {
  Ranks& ranks = by_axis_[axes_.axis[dim]];
  if (ranks != nullptr) return ranks;
  const absl::Span<const Block> blocks = cut_groups_.BlocksOf(dim);
  std::vector<int64_t> key;
  for (const Block& block : blocks) {
    key.push_back(block.begin);
    key.push_back(block.end);
    key.push_back(groups_[block.group].units);
    key.push_back(UnitsPerRank(groups_[block.group], ranks_, grain_)[0]);
  }
  Ranks& shared = by_blocks_[std::move(key)];
  if (shared == nullptr) shared = SplitByUnits(blocks);
  ranks = shared;
  return ranks;
}

DimCut Chooser::CutOfValue(ValueId value) {
  if (owner_[value] < 0) return {};
  const int dim = axes_.DimOf(value, owner_[value]);
  for (const Block& block : cut_groups_.BlocksOf(dim)) {
    if (choice_.groups[block.group].verdict != GroupDecision::Verdict::kCut)
      return {};
  }
  return {owner_[value], RanksOf(dim)};
}

ParameterDecision Chooser::DecideRequested(size_t p, int d) {
  ParameterDecision decision;
  decision.cause = ParameterDecision::Cause::kRule;
  const absl::Span<const Block> blocks = BlocksOfParameter(p, d);
  bool units = true;
  for (const Block& block : blocks) {
    const CutGroup& group = groups_[block.group];
    for (const Obstacle& obstacle : group.obstacles) {
      if (obstacle.kind != Obstacle::Kind::kFewHeads) continue;
      decision.cause = ParameterDecision::Cause::kRuleFewHeads;
      decision.number = obstacle.number;
      return decision;
    }
    units = units && (group.obstacles.empty() || group.units >= ranks_);
  }
  decision.by_units = units;
  if (units) {
    decision.cut = {d, RanksOf(axes_.DimOf(program_.parameters[p].value, d))};
    return decision;
  }
  RankIntervals even(ranks_);
  int64_t at = 0;
  const std::vector<int64_t> spread =
      SpreadUnits(program_.parameters[p].shape[d], ranks_, grain_);
  for (int r = 0; r < ranks_; at += spread[r], ++r)
    even[r] = program::Normalize({{at, at + spread[r]}});
  decision.cut = {d, MakeRanks(std::move(even))};
  return decision;
}

ParameterDecision Chooser::DecideParameter(size_t p) {
  switch (requests_[p].want) {
    case Want::kCut:
      return DecideRequested(p, requests_[p].dim);
    case Want::kWhole: {
      ParameterDecision decision;
      decision.cause = ParameterDecision::Cause::kRule;
      return decision;
    }
    case Want::kAuto:
      break;
  }
  ParameterDecision decision;
  decision.cut = choice_.values[program_.parameters[p].value];
  if (decision.cut.dim >= 0) decision.cause = ParameterDecision::Cause::kGroup;
  return decision;
}

Choice Chooser::Finish() && {
  choice_.values.resize(program_.values.size());
  for (size_t v = 0; v < program_.values.size(); ++v)
    choice_.values[v] = CutOfValue(static_cast<ValueId>(v));
  for (size_t p = 0; p < program_.parameters.size(); ++p)
    choice_.parameters[p] = DecideParameter(p);
  return std::move(choice_);
}

}  // namespace

absl::StatusOr<Choice> Choose(const Program& program, const Axes& axes,
                              const CutGroups& cut_groups,
                              const PartitionOptions& options) {
  Chooser chooser(program, axes, cut_groups, options.tensor_parallel_size,
                  std::max<int64_t>(options.grain, 1));
  AUTOTP_RETURN_IF_ERROR(chooser.ReadRequests(options.requests));
  chooser.TakeRequested();
  chooser.TakeByBenefit();
  return std::move(chooser).Finish();
}

}  // namespace autotp::partition
