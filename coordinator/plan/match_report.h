// match_report.h -- findings about how rules met a program's parameters.
#ifndef AUTOTP_COORDINATOR_PLAN_MATCH_REPORT_H_
#define AUTOTP_COORDINATOR_PLAN_MATCH_REPORT_H_

#include <string>
#include <vector>

#include "coordinator/config/diagnostics.h"
#include "coordinator/plan/rule.h"

namespace autotp::plan {

// What match_rules.cc saw.
struct MatchCounts {
  explicit MatchCounts(size_t rules) : decided(rules, 0), matched(rules, 0) {}

  std::vector<int> decided;             // [rule] parameters that it placed
  std::vector<int> matched;             // [rule] parameters that it matches
  std::vector<std::string> unmatched;   // weights of linears
  std::vector<std::string> vocabulary;  // embedding and head without a rule
  std::string example;                  // a name, as names look like
};

// Reports STRICT_MODE_UNMATCHED (an error), RULE_MATCHES_NOTHING and
// NOTHING_MATCHES (warnings), RULES_OVERLAP and VOCABULARY_PARALLEL (notes).
void ReportMatches(const RuleSet& rules, const MatchCounts& counts,
                   const std::string& model_type,
                   config::Diagnostics* diagnostics);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_MATCH_REPORT_H_
