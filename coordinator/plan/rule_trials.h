// rule_trials.h -- every rule tried on one parameter, in order, and what came
// of it.
//
// Flow: RuleSet, parameter -> TryRules -> match_rules.h places the parameter by
// the trial that decides, and planner/ shows all of them to people.
#ifndef AUTOTP_COORDINATOR_PLAN_RULE_TRIALS_H_
#define AUTOTP_COORDINATOR_PLAN_RULE_TRIALS_H_

#include <string>
#include <vector>

#include "coordinator/plan/rule.h"
#include "coordinator/program/program.h"

namespace autotp::plan {

struct Trial {
  enum class Outcome {
    kDecides,
    kNoMatch,
    kTooLate,         // matches, but a rule before it decided
    kOtherModelType,  // its model_types leave this model out
    kNoCutOfItsOwn,   // matches a norm, which follows the values it scales
    kOverruled,       // matches, but vocab_parallel_lm_head decides
  };
  int rule = 0;  // index into RuleSet::rules
  Outcome outcome = Outcome::kNoMatch;
  std::string pattern;  // that matched, as people know it
  std::string name;     // that it matched: the parameter's, or an alias
};

// One trial per rule. A tied weight is met under all its names.
std::vector<Trial> TryRules(const RuleSet& rules,
                            const program::Parameter& parameter,
                            const std::string& model_type);

// The trial that decides; or nullptr.
const Trial* Deciding(const std::vector<Trial>& trials);

// Why the rule does or does not place the parameter, in words.
std::string TrialText(const RuleSet& rules, const program::Parameter& parameter,
                      const std::vector<Trial>& trials, size_t index);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_RULE_TRIALS_H_
