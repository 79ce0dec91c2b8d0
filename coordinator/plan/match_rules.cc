#include "coordinator/plan/match_rules.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/plan/block_check.h"
#include "coordinator/plan/match_report.h"
#include "coordinator/plan/weight_role.h"

namespace autotp::plan {
namespace {

using partition::ParameterRequest;
using Want = ParameterRequest::Want;

class Matcher {
 public:
  Matcher(const RuleSet& rules, const program::Program& program,
          const std::string& model_type, config::Diagnostics* diagnostics)
      : rules_(rules),
        program_(program),
        model_type_(model_type),
        diagnostics_(diagnostics),
        roles_(WeightRoles(program)),
        block_check_(program, diagnostics),
        counts_(rules.rules.size()) {}

  std::map<std::string, Placement> Run() {
    CheckVocabulary();
    std::vector<Placement> placements(program_.parameters.size());
    counts_.example = ExampleName();
    for (size_t i = 0; i < placements.size(); ++i) {
      if (roles_[i].weight_of_bias < 0) placements[i] = Place(i);
    }
    for (size_t i = 0; i < placements.size(); ++i) {
      const int weight = roles_[i].weight_of_bias;
      if (weight < 0) continue;
      if (rules_.source == v1::RULE_SOURCE_HEURISTICS) {
        placements[i].reason = "heuristics";
        continue;
      }
      placements[i] = Bias(placements[weight], program_.parameters[weight].name,
                           roles_[weight].is_transposed ? 1 : 0);
    }
    if (rules_.source != v1::RULE_SOURCE_HEURISTICS)
      ReportMatches(rules_, counts_, model_type_, diagnostics_);
    std::map<std::string, Placement> by_name;
    for (size_t i = 0; i < placements.size(); ++i) {
      by_name[program_.parameters[i].name] = std::move(placements[i]);
    }
    return by_name;
  }

 private:
  using Vocabulary = config::VocabularyParallel;

  // A head that is to be cut over the vocabulary needs a row for each rank.
  void CheckVocabulary() {
    if (rules_.vocabulary_parallel != Vocabulary::kAlways) return;
    for (size_t i = 0; i < roles_.size(); ++i) {
      const program::Parameter& parameter = program_.parameters[i];
      if (!roles_[i].is_head) continue;
      const int64_t rows = parameter.shape[roles_[i].is_transposed ? 1 : 0];
      if (rows >= rules_.ranks) continue;
      diagnostics_->Error(
          rules_.vocabulary_place, "VOCABULARY_TOO_SMALL",
          absl::StrCat("vocab_parallel_lm_head is true, but the vocabulary of ",
                       parameter.name, " has ", rows, " rows for ",
                       rules_.ranks, " ranks"),
          absl::StrCat("set it to false, or autotp_size to at most ", rows));
    }
  }

  // Whether vocab_parallel_lm_head alone decides, rules aside.
  bool PlaceByVocabulary(const WeightRole& role, Placement* placement) const {
    if (rules_.vocabulary_parallel == Vocabulary::kNever &&
        (role.is_embedding || role.is_head)) {
      placement->request = {Want::kWhole, 0};
      placement->reason = "vocab_parallel_lm_head is false: whole";
      return true;
    }
    if (rules_.vocabulary_parallel == Vocabulary::kAlways && role.is_head) {
      placement->request = {Want::kCut, role.is_transposed ? 1 : 0};
      placement->reason =
          "vocab_parallel_lm_head is true: cut over the vocabulary";
      return true;
    }
    return false;
  }

  Placement Place(size_t index) {
    Placement placement;
    if (rules_.source == v1::RULE_SOURCE_HEURISTICS) {
      placement.reason = "heuristics";
      PlaceByVocabulary(roles_[index], &placement);
      return placement;
    }
    placement.trials =
        TryRules(rules_, program_.parameters[index], model_type_);
    Trial* deciding = nullptr;
    for (Trial& trial : placement.trials) {
      if (!trial.name.empty()) ++counts_.matched[trial.rule];
      if (trial.outcome == Trial::Outcome::kDecides) deciding = &trial;
    }
    if (deciding == nullptr) {
      Unmatched(index, &placement);
    } else {
      Matched(index, deciding, &placement);
    }
    return placement;
  }

  void Matched(size_t index, Trial* deciding, Placement* placement) {
    const WeightRole& role = roles_[index];
    const Rule& rule = rules_.rules[deciding->rule];
    // Norms and the like have no cut of their own: they follow the values that
    // they scale.
    if (role.is_vector && rule.action != Action::kWhole) {
      deciding->outcome = Trial::Outcome::kNoCutOfItsOwn;
      placement->reason = "follows the values around it";
      return;
    }
    if (IsOverruled(rule, role, DimOf(rule, role, *deciding, index))) {
      deciding->outcome = Trial::Outcome::kOverruled;
      PlaceByVocabulary(role, placement);
      if (rule.origin_kind != RuleOrigin::kTpPlan &&
          rules_.vocabulary_parallel == Vocabulary::kAlways) {
        diagnostics_->Note(
            rule.place, "HEAD_RULE_SUPERSEDED",
            absl::StrCat(rule.origin, " (", ActionName(rule.action), ") on ",
                         program_.parameters[index].name,
                         " is superseded: vocab_parallel_lm_head is true"),
            "set vocab_parallel_lm_head to null to let the rule decide");
      }
      return;
    }
    ++counts_.decided[deciding->rule];
    placement->rule = deciding->pattern;
    placement->reason =
        absl::StrCat(rule.origin, ": ", ActionName(rule.action));
    if (rule.action == Action::kWhole) {
      placement->request = {Want::kWhole, 0};
      return;
    }
    const int dim = DimOf(rule, role, *deciding, index);
    if (role.is_linear && !role.is_embedding) {
      block_check_.Check(rule, index, dim, role.is_transposed);
    }
    placement->request = {Want::kCut, role.is_transposed ? 1 - dim : dim};
  }

  // The dimension of a weight [out, in] that the rule cuts; -1: none.
  int DimOf(const Rule& rule, const WeightRole& role, const Trial& deciding,
            size_t index) const {
    if (rule.action == Action::kWhole) return -1;
    const bool by_head =
        role.is_head && (!role.is_embedding ||
                         deciding.name != program_.parameters[index].name);
    // DeepSpeed cuts a matched table over its width.
    if (role.is_embedding && !by_head && rule.action != Action::kVocabulary)
      return 1;
    return rule.action == Action::kRow ? 1 : 0;
  }

  bool IsOverruled(const Rule& rule, const WeightRole& role, int dim) const {
    switch (rules_.vocabulary_parallel) {
      case Vocabulary::kNever:
        return (role.is_embedding || role.is_head) && dim >= 0 &&
               rule.origin_kind != RuleOrigin::kSpec;
      case Vocabulary::kAlways:
        return role.is_head && dim != 0;
      case Vocabulary::kUnlessRuled:
        break;
    }
    return false;
  }

  void Unmatched(size_t index, Placement* placement) {
    const WeightRole& role = roles_[index];
    const std::string& name = program_.parameters[index].name;
    if (role.is_vector) {
      placement->reason = "follows the values around it";
      return;
    }
    if (role.is_linear && !role.is_embedding) counts_.unmatched.push_back(name);
    if (PlaceByVocabulary(role, placement)) return;
    if (role.is_embedding || role.is_head) {
      counts_.vocabulary.push_back(name);
      placement->reason = "no rule: vocabulary-parallel";
    } else {
      placement->request = {Want::kWhole, 0};
      placement->reason = "no rule matches: whole";
    }
  }

  // `output_dim`: the weight's dimension of output features.
  static Placement Bias(const Placement& weight, const std::string& weight_name,
                        int output_dim) {
    Placement bias;
    bias.request = weight.request;
    bias.rule = weight.rule;
    bias.reason = weight.reason;
    bias.follows = weight_name;
    if (weight.request.want != Want::kCut) return bias;
    if (weight.request.dim != output_dim) {
      bias.request = {Want::kWhole, 0};
      absl::StrAppend(&bias.reason, ", its bias whole");
    } else {
      bias.request.dim = 0;
      absl::StrAppend(&bias.reason, ", its bias with it");
    }
    return bias;
  }

  std::string ExampleName() const {
    for (size_t i = 0; i < roles_.size(); ++i) {
      if (roles_[i].is_linear && !roles_[i].is_embedding) {
        return program_.parameters[i].name;
      }
    }
    return "none";
  }

  const RuleSet& rules_;
  const program::Program& program_;
  const std::string& model_type_;
  config::Diagnostics* diagnostics_;
  const std::vector<WeightRole> roles_;
  BlockCheck block_check_;
  MatchCounts counts_;
};

}  // namespace

std::map<std::string, Placement> MatchRules(const RuleSet& rules,
                                            const program::Program& program,
                                            const std::string& model_type,
                                            config::Diagnostics* diagnostics) {
  if (rules.source != v1::RULE_SOURCE_NONE)
    return Matcher(rules, program, model_type, diagnostics).Run();
  std::map<std::string, Placement> placements;
  for (const program::Parameter& parameter : program.parameters)
    placements[parameter.name].reason = "tensor-parallel size 1";
  return placements;
}

}  // namespace autotp::plan
