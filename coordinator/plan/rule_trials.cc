#include "coordinator/plan/rule_trials.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace autotp::plan {
namespace {

bool IsForModel(const Rule& rule, const std::string& model_type) {
  return rule.model_types.empty() ||
         std::find(rule.model_types.begin(), rule.model_types.end(),
                   model_type) != rule.model_types.end();
}

const Pattern* MatchingPattern(const Rule& rule, const std::string& name) {
  const auto found =
      std::find_if(rule.patterns.begin(), rule.patterns.end(),
                   [&name](const Pattern& p) { return p.Matches(name); });
  return found == rule.patterns.end() ? nullptr : &*found;
}

}  // namespace

std::vector<Trial> TryRules(const RuleSet& rules,
                            const program::Parameter& parameter,
                            const std::string& model_type) {
  std::vector<Trial> trials(rules.rules.size());
  bool decided = false;
  for (size_t r = 0; r < trials.size(); ++r) {
    const Rule& rule = rules.rules[r];
    Trial& trial = trials[r];
    trial.rule = static_cast<int>(r);
    if (!IsForModel(rule, model_type)) {
      trial.outcome = Trial::Outcome::kOtherModelType;
      continue;
    }
    const auto match = [&rule, &trial](const std::string& name) {
      const Pattern* pattern = MatchingPattern(rule, name);
      if (pattern == nullptr) return false;
      trial.pattern = rule.shown.empty() ? pattern->text() : rule.shown;
      trial.name = name;
      return true;
    };
    if (!match(parameter.name) &&
        std::none_of(parameter.aliases.begin(), parameter.aliases.end(),
                     match)) {
      continue;
    }
    trial.outcome =
        decided ? Trial::Outcome::kTooLate : Trial::Outcome::kDecides;
    decided = true;
  }
  return trials;
}

const Trial* Deciding(const std::vector<Trial>& trials) {
  const auto found =
      std::find_if(trials.begin(), trials.end(), [](const Trial& trial) {
        return trial.outcome == Trial::Outcome::kDecides;
      });
  return found == trials.end() ? nullptr : &*found;
}

std::string TrialText(const RuleSet& rules, const program::Parameter& parameter,
                      const std::vector<Trial>& trials, size_t index) {
  const Trial& trial = trials[index];
  const Rule& rule = rules.rules[trial.rule];
  const std::string matched =
      trial.name == parameter.name
          ? absl::StrCat("\"", trial.pattern, "\" matches")
          : absl::StrCat("\"", trial.pattern, "\" matches its other name ",
                         trial.name);
  switch (trial.outcome) {
    case Trial::Outcome::kDecides:
      return absl::StrCat(matched, ": ", ActionName(rule.action));
    case Trial::Outcome::kNoMatch:
      return "no pattern of it matches";
    case Trial::Outcome::kTooLate: {
      const Trial* first = Deciding(trials);
      return absl::StrCat(matched, " too, but ",
                          first == nullptr ? "a rule before it"
                                           : rules.rules[first->rule].origin,
                          " decided before");
    }
    case Trial::Outcome::kOtherModelType:
      return absl::StrCat("only for model types ",
                          absl::StrJoin(rule.model_types, ", "));
    case Trial::Outcome::kNoCutOfItsOwn:
      return absl::StrCat(matched,
                          ", but such a vector has no cut of its own: "
                          "it follows the values that it meets");
    case Trial::Outcome::kOverruled:
      return absl::StrCat(
          matched, ", but vocab_parallel_lm_head is ",
          rules.vocabulary_parallel == config::VocabularyParallel::kAlways
              ? "true"
              : "false");
  }
  return "";
}

}  // namespace autotp::plan
