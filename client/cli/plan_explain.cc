#include "client/cli/plan_explain.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/layer_groups.h"
#include "client/cli/message_json.h"
#include "client/cli/plan_words.h"
#include "client/cli/table.h"
#include "proto/support/nearest.h"

namespace autotp::cli {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMostNamed = 4;
constexpr int kMostRanksListed = 8;

bool IsNamed(const v1::ParameterPlan& parameter, absl::string_view name) {
  return parameter.name() == name ||
         std::find(parameter.aliases().begin(), parameter.aliases().end(),
                   name) != parameter.aliases().end();
}

// Of a name that the model does not have.
std::string Advice(const v1::Plan& plan, absl::string_view name) {
  if (plan.parameters().empty()) return "";
  std::vector<absl::string_view> names;
  for (const v1::ParameterPlan& parameter : plan.parameters())
    names.push_back(parameter.name());
  const absl::string_view nearest = Nearest(name, names);
  return nearest.empty() ? absl::StrCat("names look like ", names[0])
                         : absl::StrCat("did you mean ", nearest, "?");
}

absl::StatusOr<const v1::ParameterPlan*> Find(const v1::Plan& plan,
                                              absl::string_view name) {
  std::vector<const v1::ParameterPlan*> near;
  for (const v1::ParameterPlan& parameter : plan.parameters()) {
    if (IsNamed(parameter, name)) return &parameter;
    if (absl::EndsWith(parameter.name(), absl::StrCat(".", name)))
      near.push_back(&parameter);
  }
  if (near.size() == 1) return near[0];
  std::vector<std::string> names;
  if (near.empty()) {  // names with the same last words but one
    for (const v1::ParameterPlan& parameter : plan.parameters()) {
      if (absl::StrContains(parameter.name(), name)) near.push_back(&parameter);
    }
  }
  for (size_t i = 0; i < near.size() && i < kMostNamed; ++i)
    names.push_back(near[i]->name());
  if (near.size() > kMostNamed)
    names.push_back(absl::StrCat("and ", near.size() - kMostNamed, " more"));
  if (names.empty()) names.push_back(Advice(plan, name));
  return absl::InvalidArgumentError(
      absl::StrCat("--explain ", name, ": ",
                   near.empty() ? "the model has no such parameter; "
                                : "give one parameter's whole name: ",
                   absl::StrJoin(names, ", ")));
}

// "model.layers.*.mlp.up_proj.weight@0" without its dimension.
std::string MemberName(const std::string& member) {
  return member.substr(0, member.rfind('@'));
}

// By dimension.
std::vector<Explanation::Class> ClassesOf(const v1::Plan& plan,
                                          const v1::ParameterPlan& parameter) {
  const std::string pattern = LayerPattern(parameter.name());
  std::vector<Explanation::Class> classes;
  for (int dim = 0; dim < parameter.shape_size(); ++dim) {
    const std::string name = absl::StrCat(pattern, "@", dim);
    for (const v1::CutClass& cut : plan.classes()) {
      if (std::find(cut.members().begin(), cut.members().end(), name) !=
          cut.members().end())
        classes.push_back({dim, &cut});
    }
  }
  return classes;
}

const v1::CutClass* NearestClass(const std::vector<Explanation::Class>& classes,
                                 int dim) {
  const v1::CutClass* nearest = nullptr;
  for (const Explanation::Class& one : classes) {
    if (one.dim == dim) return one.cut;
    if (nearest == nullptr || one.cut->members_size() < nearest->members_size())
      nearest = one.cut;
  }
  return nearest;
}

std::string ClassText(const v1::CutClass& cut) {
  return absl::StrCat(
      cut.name(), ", ", cut.count(),
      cut.count() == 1 ? " time: " : " times: ", cut.units(), " ", cut.unit(),
      cut.units() == 1 ? "" : "s", cut.cut() ? " = " : "",
      SharesText({cut.units_per_rank().begin(), cut.units_per_rank().end()}),
      "; ", cut.reason());
}

std::string IntervalsText(const v1::RankSlice& slice) {
  return absl::StrJoin(slice.intervals(), ", ",
                       [](std::string* out, const v1::Interval& interval) {
                         absl::StrAppend(out, "[", interval.begin(), ", ",
                                         interval.end(), ")");
                       });
}

using Facts = std::vector<std::vector<std::string>>;

void AddRanks(const v1::ParameterPlan& parameter, Facts* facts) {
  if (parameter.dim() < 0) {
    facts->push_back({"on a rank", LocalShapeText(parameter)});
    return;
  }
  const int shown = std::min(parameter.ranks_size(), kMostRanksListed);
  for (int rank = 0; rank < shown; ++rank) {
    const v1::RankSlice& slice = parameter.ranks(rank);
    facts->push_back(
        {absl::StrCat("rank ", rank),
         absl::StrCat(ShapeText(slice.shape()),
                      slice.intervals().empty()
                          ? ": nothing of it"
                          : absl::StrCat(": positions ", IntervalsText(slice),
                                         " of dimension ", parameter.dim()))});
  }
  if (shown < parameter.ranks_size()) {
    facts->push_back(
        {absl::StrCat("ranks ", shown, " to ", parameter.ranks_size() - 1),
         absl::StrCat("alike: ", LocalShapeText(parameter))});
  }
}

std::string CollectiveText(const Explanation::Collective& collective) {
  const v1::CollectivePlan& use = *collective.use;
  return absl::StrCat(
      EnumWord(v1::CollectivePlan::Kind_descriptor(), use.kind()), ", ",
      use.phase(), ": ", collective.site->count(), " in a micro-step, ",
      HumanBytes(static_cast<double>(collective.site->bytes())),
      " in a step, at ", absl::StrJoin(collective.site->weights(), " + "),
      use.reason().empty() ? "" : ": ", use.reason());
}

// A bias is placed by the rule of its weight.
std::vector<Explanation::Trial> TrialsOf(const v1::Plan& plan,
                                         const v1::ParameterPlan& parameter) {
  const v1::ParameterPlan* tried = &parameter;
  for (const v1::ParameterPlan& other : plan.parameters()) {
    if (!parameter.follows().empty() && other.name() == parameter.follows())
      tried = &other;
  }
  std::vector<Explanation::Trial> trials;
  for (const v1::RuleTrial& trial : tried->trials()) {
    if (trial.rule() < plan.rules_size())
      trials.push_back({&plan.rules(trial.rule()), &trial});
  }
  return trials;
}

std::string TrialText(const Explanation::Trial& one) {
  std::string text =
      absl::StrCat(one.rule->origin(), ", ", one.rule->action(), ": ");
  if (!one.trial->reason().empty())
    return absl::StrCat(text, one.trial->reason());
  // A plan's entry is named by its pattern already.
  const std::string patterns = absl::StrJoin(one.rule->patterns(), " or ");
  if (!absl::StrContains(text, patterns)) absl::StrAppend(&text, patterns, " ");
  return absl::StrCat(text, "does not match");
}

}  // namespace

absl::StatusOr<Explanation> Explain(const v1::Plan& plan,
                                    absl::string_view name) {
  Explanation explanation;
  const absl::StatusOr<const v1::ParameterPlan*> found = Find(plan, name);
  if (!found.ok()) return found.status();
  explanation.parameter = *found;
  explanation.classes = ClassesOf(plan, **found);
  explanation.trials = TrialsOf(plan, **found);
  const std::string pattern = LayerPattern((*found)->name());
  const v1::CutClass* nearest =
      NearestClass(explanation.classes, (*found)->dim());
  if (nearest != nullptr) {
    for (const std::string& member : nearest->members()) {
      if (MemberName(member) != pattern)
        explanation.neighbours.push_back(MemberName(member));
    }
  }
  for (const v1::CollectivePlan& use : plan.collectives()) {
    for (const v1::CollectiveSite& site : use.sites()) {
      if (std::find(site.weights().begin(), site.weights().end(), pattern) !=
          site.weights().end())
        explanation.collectives.push_back({&use, &site});
    }
  }
  return explanation;
}

std::string ExplanationText(const Explanation& explanation,
                            const TextStyle& style) {
  const v1::ParameterPlan& parameter = *explanation.parameter;
  Facts facts;
  for (const std::string& alias : parameter.aliases())
    facts.push_back({"also named", alias});
  facts.push_back({"shape", ShapeText(parameter.shape())});
  facts.push_back({"partition", PartitionText(parameter)});
  if (parameter.blocks_size() > 1) {
    facts.push_back(
        {"blocks", absl::StrCat(absl::StrJoin(parameter.blocks(), " + "),
                                ", each cut by itself")});
  }
  AddRanks(parameter, &facts);
  facts.push_back(
      {"rule", parameter.rule().empty() ? "none decided" : parameter.rule()});
  facts.push_back({"reason", parameter.reason()});
  if (!parameter.follows().empty())
    facts.push_back({"follows", parameter.follows()});
  for (size_t i = 0; i < explanation.trials.size(); ++i) {
    facts.push_back(
        {i == 0 ? "rules tried" : "", TrialText(explanation.trials[i])});
  }
  for (const Explanation::Class& one : explanation.classes) {
    facts.push_back({absl::StrCat("dimension ", one.dim), ClassText(*one.cut)});
  }
  for (size_t i = 0; i < explanation.neighbours.size(); ++i) {
    facts.push_back({i == 0 ? "cut with" : "", explanation.neighbours[i]});
  }
  for (size_t i = 0; i < explanation.collectives.size(); ++i) {
    facts.push_back({i == 0 ? "collectives" : "",
                     CollectiveText(explanation.collectives[i])});
  }
  if (explanation.collectives.empty())
    facts.push_back({"collectives", "none of its own"});
  // The name is wider than any label: it stands above the table.
  const std::string table = RenderTable({"", ""}, facts, style);
  return absl::StrCat(style.Bold(parameter.name()),
                      table.substr(table.find('\n')));
}

ordered_json ExplanationJson(const Explanation& explanation) {
  ordered_json collectives = ordered_json::array();
  for (const Explanation::Collective& one : explanation.collectives) {
    ordered_json use = ToJson(*one.use);
    use["sites"] = ordered_json::array({ToJson(*one.site)});
    collectives.push_back(std::move(use));
  }
  ordered_json trials = ordered_json::array();
  for (const Explanation::Trial& one : explanation.trials) {
    trials.push_back(
        {{"rule", ToJson(*one.rule)}, {"trial", ToJson(*one.trial)}});
  }
  ordered_json classes = ordered_json::array();
  for (const Explanation::Class& one : explanation.classes) {
    ordered_json cut = ToJson(*one.cut);
    cut["dim"] = one.dim;
    classes.push_back(std::move(cut));
  }
  return {{"parameter", ToJson(*explanation.parameter)},
          {"rules_tried", std::move(trials)},
          {"classes", std::move(classes)},
          {"cut_with", explanation.neighbours},
          {"collectives", std::move(collectives)}};
}

}  // namespace autotp::cli
