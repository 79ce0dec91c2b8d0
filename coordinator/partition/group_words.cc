#include "coordinator/partition/group_words.h"

#include <algorithm>
#include <cctype>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace autotp::partition {

namespace {

using Verdict = GroupDecision::Verdict;

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

}  // namespace

std::string Plural(int64_t count, const std::string& unit) {
  return absl::StrCat(count, " ", unit, count == 1 ? "" : "s");
}

const Obstacle* FewHeads(const CutGroup& group) {
  for (const Obstacle& obstacle : group.obstacles)
    if (obstacle.kind == Obstacle::Kind::kFewHeads) return &obstacle;
  return nullptr;
}

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

std::string GroupWords::NameOf(int g) const {
  const CutGroup& group = groups_[g];
  if (group.has_vocabulary) return "vocabulary";
  if (group.has_query_heads) return "attention";
  if (group.has_key_heads) return "keys and values";
  if (group.has_activation) return "mlp";
  if (group.members.empty()) return "activations";
  return WithoutLayer(program_.parameters[group.members[0].parameter].name);
}

std::string GroupWords::UnitOf(int g) const {
  const CutGroup& group = groups_[g];
  if (group.has_vocabulary) return "row";
  if (group.has_key_heads && group.units != group.query_heads)
    return "KV group";
  if (group.has_query_heads) return "head";
  return "column";
}

std::string GroupWords::ReasonOf(int g) const {
  const CutGroup& group = groups_[g];
  const GroupDecision& decision = choice_.groups[g];
  switch (decision.verdict) {
    case Verdict::kCut:
      return absl::StrCat(decision.by_rule ? "cut by rule" : "cut",
                          GrainText(group));
    case Verdict::kObstacle:
      return ObstacleText(group);
    case Verdict::kTooFewUnits:
      return absl::StrCat("only ", Plural(group.units, UnitOf(g)), " for ",
                          ranks_, " ranks");
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

std::string GroupWords::MissingRuleOf(int g) const {
  if (choice_.groups[g].verdict != Verdict::kObstacle) return "";
  const Obstacle& obstacle = groups_[g].obstacles[0];
  if (obstacle.kind != Obstacle::Kind::kNoRule) return "";
  return NodeName(program_.nodes[obstacle.node]);
}

std::string GroupWords::GrainText(const CutGroup& group) const {
  if (UnitsPerRank(group, ranks_, choice_.grain) ==
      UnitsPerRank(group, ranks_, 1))
    return "";
  return absl::StrCat(" in multiples of ", choice_.grain);
}

std::string GroupWords::ObstacleText(const CutGroup& group) const {
  if (const Obstacle* few = FewHeads(group))
    return absl::StrCat(
        Plural(few->number, group.has_query_heads ? "head" : "KV group"),
        " for ", ranks_, " ranks: whole on every rank");
  const Obstacle& obstacle = group.obstacles[0];
  switch (obstacle.kind) {
    case Obstacle::Kind::kOperation:
      return absl::StrCat(NodeName(program_.nodes[obstacle.node]),
                          " needs it whole");
    case Obstacle::Kind::kNoRule:
      return absl::StrCat(
          NodeName(program_.nodes[obstacle.node]),
          " has no placement rule, so nothing around it is cut");
    case Obstacle::Kind::kReshape:
      return "a reshape mixes it with other dimensions";
    default:
      return "slices or concatenations of it do not line up";
  }
}

}  // namespace autotp::partition
