#include "coordinator/plan/match_rules.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/plan/weight_role.h"

namespace autotp::plan {
namespace {

using partition::ParameterRequest;
using Want = ParameterRequest::Want;

// Whether `shape` says no more than the plain cut does: one block, and sizes
// that are the weight's.
bool IsPlainCut(const Rule& rule, const std::vector<int64_t>& weight) {
  if (rule.shape.empty() || rule.action == Action::kWhole) return true;
  const int64_t dim = rule.action == Action::kRow ? 1 : 0;
  if (rule.shape.size() != weight.size() || rule.partition_dim != dim) {
    return false;
  }
  for (size_t i = 0; i < weight.size(); ++i) {
    const config::ShapeEntry& entry = rule.shape[i];
    const bool cut = static_cast<int64_t>(i) == dim;
    if (const auto* blocks = std::get_if<std::vector<int64_t>>(&entry)) {
      if (blocks->size() != 1 || blocks->front() != weight[i]) return false;
    } else {
      // At the cut dimension a number counts equal blocks.
      const int64_t size = std::get<int64_t>(entry);
      if (size != -1 && size != (cut ? 1 : weight[i])) return false;
    }
  }
  return true;
}

struct Match {
  int rule = -1;
  std::string pattern;
  bool by_head = false;  // by the name that the head has
};

class Matcher {
 public:
  Matcher(const RuleSet& rules, const program::Program& program,
          const std::string& model_type, config::Diagnostics* diagnostics)
      : rules_(rules),
        program_(program),
        model_type_(model_type),
        diagnostics_(diagnostics),
        roles_(WeightRoles(program)),
        wins_(rules.rules.size(), 0),
        matches_(rules.rules.size(), 0) {}

  std::map<std::string, Placement> Run() {
    std::vector<Placement> placements(program_.parameters.size());
    for (size_t i = 0; i < placements.size(); ++i) {
      if (roles_[i].weight_of_bias < 0) placements[i] = Place(i);
    }
    for (size_t i = 0; i < placements.size(); ++i) {
      if (roles_[i].weight_of_bias < 0) continue;
      const int weight = roles_[i].weight_of_bias;
      placements[i] = Bias(placements[weight], roles_[weight]);
    }
    ReportUnmatched();
    ReportUnusedRules();
    std::map<std::string, Placement> by_name;
    for (size_t i = 0; i < placements.size(); ++i) {
      by_name[program_.parameters[i].name] = std::move(placements[i]);
    }
    return by_name;
  }

 private:
  bool Applies(const Rule& rule) const {
    return rule.model_types.empty() ||
           std::find(rule.model_types.begin(), rule.model_types.end(),
                     model_type_) != rule.model_types.end();
  }

  // A tied weight is met under the embedding's name and the head's.
  Match FindRule(size_t index) {
    const program::Parameter& parameter = program_.parameters[index];
    std::vector<std::string> names = {parameter.name};
    names.insert(names.end(), parameter.aliases.begin(),
                 parameter.aliases.end());
    Match best;
    for (size_t r = 0; r < rules_.rules.size(); ++r) {
      const Rule& rule = rules_.rules[r];
      if (!Applies(rule)) continue;
      for (size_t n = 0; n < names.size(); ++n) {
        const auto pattern = std::find_if(
            rule.patterns.begin(), rule.patterns.end(),
            [&names, n](const Pattern& p) { return p.Matches(names[n]); });
        if (pattern == rule.patterns.end()) continue;
        ++matches_[r];
        if (best.rule < 0) {
          best.rule = static_cast<int>(r);
          best.pattern = rule.shown.empty() ? pattern->text() : rule.shown;
          best.by_head =
              roles_[index].is_head && (n > 0 || !roles_[index].is_embedding);
        }
        break;
      }
    }
    return best;
  }

  Placement Place(size_t index) {
    const WeightRole& role = roles_[index];
    const Match match = FindRule(index);
    if (match.rule >= 0) ++wins_[match.rule];
    // Norms and the like have no cut of their own: they follow the values that
    // they scale.
    const bool whole =
        match.rule >= 0 && rules_.rules[match.rule].action == Action::kWhole;
    if (role.is_vector && !whole) {
      return {{Want::kAuto, 0}, "", "follows the values around it"};
    }
    if (match.rule < 0) return Unmatched(index);
    const Rule& rule = rules_.rules[match.rule];
    CheckShape(rule, index);
    const std::string reason =
        absl::StrCat(rule.origin, ": ", ActionName(rule.action));
    if (rule.action == Action::kWhole) {
      return {{Want::kWhole, 0}, match.pattern, reason};
    }
    int dim = rule.action == Action::kRow ? 1 : 0;
    if (role.is_embedding && !match.by_head &&
        rule.action != Action::kVocabulary) {
      dim = 1;  // DeepSpeed cuts a matched table over its width
    }
    if (role.is_transposed) dim = 1 - dim;
    return {{Want::kCut, dim}, match.pattern, reason};
  }

  Placement Unmatched(size_t index) {
    const WeightRole& role = roles_[index];
    const std::string& name = program_.parameters[index].name;
    if (role.is_linear && !role.is_embedding) unmatched_.push_back(name);
    if (role.is_embedding || role.is_head) {
      if (rules_.vocabulary_parallel) {
        vocabulary_.push_back(name);
        return {{Want::kAuto, 0}, "", "no rule: vocabulary-parallel"};
      }
      return {{Want::kWhole, 0}, "", "vocab_parallel_lm_head is false: whole"};
    }
    return {{Want::kWhole, 0}, "", "no rule matches: whole"};
  }

  static Placement Bias(const Placement& weight, const WeightRole& role) {
    Placement bias = weight;
    if (weight.request.want != Want::kCut) return bias;
    if (weight.request.dim != (role.is_transposed ? 1 : 0)) {
      bias.request = {Want::kWhole, 0};
      absl::StrAppend(&bias.reason, ", its bias whole");
    } else {
      bias.request.dim = 0;
      absl::StrAppend(&bias.reason, ", its bias with it");
    }
    return bias;
  }

  void CheckShape(const Rule& rule, size_t index) {
    const program::Parameter& parameter = program_.parameters[index];
    if (IsPlainCut(rule, parameter.shape)) return;
    if (!shapes_reported_.insert(rule.origin).second) return;
    diagnostics_->Error(
        rule.place, "SHAPE_NOT_SUPPORTED",
        absl::StrCat("this shape describes blocks of ", parameter.name, " [",
                     absl::StrJoin(parameter.shape, ", "),
                     "], which is not supported yet"),
        "leave shape out: the blocks of fused weights come from the model");
  }

  void ReportUnmatched() {
    if (rules_.strict_mode && !unmatched_.empty()) {
      diagnostics_->Error(
          {}, "STRICT_MODE_UNMATCHED",
          absl::StrCat("strict_mode: no rule matches ", Listed(unmatched_)),
          "add a spec for them (partition_type \"skip\" keeps them whole)");
    }
    if (!vocabulary_.empty()) {
      diagnostics_->Note(
          {}, "VOCABULARY_PARALLEL",
          absl::StrCat("no rule matches ", Listed(vocabulary_),
                       ": cut over the vocabulary, as is the loss; DeepSpeed "
                       "keeps them whole"),
          "set tensor_parallel.vocab_parallel_lm_head to false to keep them "
          "whole");
    }
  }

  void ReportUnusedRules() {
    bool any = false;
    for (size_t r = 0; r < rules_.rules.size(); ++r) {
      const Rule& rule = rules_.rules[r];
      any = any || matches_[r] > 0;
      if (!rule.report_if_unused || wins_[r] > 0) continue;
      diagnostics_->Warning(
          rule.place, "RULE_MATCHES_NOTHING",
          matches_[r] > 0 ? absl::StrCat(rule.origin,
                                         " never applies: rules before it "
                                         "take all that it matches")
          : Applies(rule) ? absl::StrCat(rule.origin,
                                         " matches no parameter; names look "
                                         "like ",
                                         ExampleName())
                          : absl::StrCat(rule.origin, " is for model types ",
                                         absl::StrJoin(rule.model_types, ", "),
                                         "; this is ", model_type_));
    }
    if (any) return;
    diagnostics_->Warning(
        rules_.rules.empty() ? config::SourcePlace{} : rules_.rules[0].place,
        "NOTHING_MATCHES",
        absl::StrCat("no rule of ", rules_.detail,
                     " matches a parameter of this model; names look like ",
                     ExampleName()),
        "leave the rules out: the model's own plan or the heuristics then "
        "decide");
  }

  std::string ExampleName() const {
    for (size_t i = 0; i < roles_.size(); ++i) {
      if (roles_[i].is_linear && !roles_[i].is_embedding) {
        return program_.parameters[i].name;
      }
    }
    return "none";
  }

  static std::string Listed(const std::vector<std::string>& names) {
    constexpr size_t kShown = 4;
    const size_t shown = std::min(names.size(), kShown);
    std::string text =
        absl::StrJoin(names.begin(), names.begin() + shown, ", ");
    if (names.size() > shown) {
      absl::StrAppend(&text, " and ", names.size() - shown, " more");
    }
    return text;
  }

  const RuleSet& rules_;
  const program::Program& program_;
  const std::string& model_type_;
  config::Diagnostics* diagnostics_;
  const std::vector<WeightRole> roles_;
  std::vector<int> wins_;     // [rule] parameters that it placed
  std::vector<int> matches_;  // [rule] parameters that it matches
  std::vector<std::string> unmatched_;
  std::vector<std::string> vocabulary_;
  std::set<std::string> shapes_reported_;  // origins
};

}  // namespace

std::map<std::string, Placement> MatchRules(const RuleSet& rules,
                                            const program::Program& program,
                                            const std::string& model_type,
                                            config::Diagnostics* diagnostics) {
  const bool has_rules = rules.source != v1::RULE_SOURCE_NONE &&
                         rules.source != v1::RULE_SOURCE_HEURISTICS;
  if (has_rules) {
    return Matcher(rules, program, model_type, diagnostics).Run();
  }
  std::map<std::string, Placement> placements;
  const std::string reason = rules.source == v1::RULE_SOURCE_NONE
                                 ? "tensor-parallel size 1"
                                 : "heuristics";
  for (const program::Parameter& parameter : program.parameters) {
    placements[parameter.name] = {{}, "", reason};
  }
  return placements;
}

}  // namespace autotp::plan
