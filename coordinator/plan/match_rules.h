// match_rules.h -- rules meet the parameters of a program.
//
// Only weights of linears and embeddings are matched, by their Hugging Face
// names; a linear's bias follows its weight, and norms the values that they
// scale. Weights that no rule matches stay whole, but for embedding and head,
// which are cut over the vocabulary; `vocab_parallel_lm_head` forbids that, or
// has it done to the head whatever its rule. Without rules dataflow decides the
// rest.
#ifndef AUTOTP_COORDINATOR_PLAN_MATCH_RULES_H_
#define AUTOTP_COORDINATOR_PLAN_MATCH_RULES_H_

#include <map>
#include <string>
#include <vector>

#include "coordinator/config/diagnostics.h"
#include "coordinator/partition/partition.h"
#include "coordinator/plan/rule.h"
#include "coordinator/plan/rule_trials.h"
#include "coordinator/program/program.h"

namespace autotp::plan {

struct Placement {
  partition::ParameterRequest request;
  std::string rule;           // the pattern that matched; empty: none
  std::string reason;         // why it is so
  std::vector<Trial> trials;  // of every rule, in order; a bias has none
  std::string follows;        // of a bias: the weight that decides
};

// One entry per parameter. Reports what match_report.h and block_check.h name,
// VOCABULARY_TOO_SMALL (an error) and HEAD_RULE_SUPERSEDED (a note).
std::map<std::string, Placement> MatchRules(const RuleSet& rules,
                                            const program::Program& program,
                                            const std::string& model_type,
                                            config::Diagnostics* diagnostics);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_MATCH_RULES_H_
