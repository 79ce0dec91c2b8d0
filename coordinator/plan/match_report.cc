#include "coordinator/plan/match_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace autotp::plan {
namespace {

std::string Listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 4;
  const size_t shown = std::min(names.size(), kShown);
  std::string text = absl::StrJoin(names.begin(), names.begin() + shown, ", ");
  if (names.size() > shown) {
    absl::StrAppend(&text, " and ", names.size() - shown, " more");
  }
  return text;
}

void ReportUnmatched(const RuleSet& rules, const MatchCounts& counts,
                     config::Diagnostics* diagnostics) {
  if (rules.strict_mode && !counts.unmatched.empty()) {
    diagnostics->Error(
        rules.strict_place, "STRICT_MODE_UNMATCHED",
        absl::StrCat("strict_mode: no rule matches ", Listed(counts.unmatched)),
        "add a spec for them (partition_type \"skip\" keeps them whole)");
  }
  if (!counts.vocabulary.empty()) {
    diagnostics->Note(
        {}, "VOCABULARY_PARALLEL",
        absl::StrCat("no rule matches ", Listed(counts.vocabulary),
                     ": cut over the vocabulary, as is the loss; DeepSpeed "
                     "keeps them whole"),
        "set tensor_parallel.vocab_parallel_lm_head to false to keep them "
        "whole");
  }
}

// Why a rule decides nothing.
std::string Idle(const Rule& rule, int matched, const MatchCounts& counts,
                 const std::string& model_type) {
  if (matched > 0) {
    return absl::StrCat(rule.origin,
                        " never applies: rules before it take all that it "
                        "matches, or it matches only what it cannot place");
  }
  const std::vector<std::string>& types = rule.model_types;
  if (!types.empty() &&
      std::find(types.begin(), types.end(), model_type) == types.end()) {
    return absl::StrCat(rule.origin, " is for model types ",
                        absl::StrJoin(types, ", "), "; this is ", model_type);
  }
  return absl::StrCat(rule.origin, " matches no parameter; names look like ",
                      counts.example);
}

}  // namespace

void ReportMatches(const RuleSet& rules, const MatchCounts& counts,
                   const std::string& model_type,
                   config::Diagnostics* diagnostics) {
  ReportUnmatched(rules, counts, diagnostics);
  bool any = false;
  for (size_t r = 0; r < rules.rules.size(); ++r) {
    const Rule& rule = rules.rules[r];
    const int matched = counts.matched[r];
    const int decided = counts.decided[r];
    any = any || matched > 0;
    // A model's own plan has an entry for each name of a tied weight, and the
    // first one decides: that is no fault of the other.
    const bool is_tied_name =
        matched > 0 && rule.origin_kind == RuleOrigin::kTpPlan;
    if (decided == 0 && rule.report_if_unused && !is_tied_name) {
      diagnostics->Warning(rule.place, "RULE_MATCHES_NOTHING",
                           Idle(rule, matched, counts, model_type));
    } else if (decided < matched && rule.origin_kind == RuleOrigin::kSpec) {
      diagnostics->Note(
          rule.place, "RULES_OVERLAP",
          absl::StrCat(rule.origin, " matches ", matched, " parameters, ",
                       matched - decided,
                       " of which it does not place: the first rule that "
                       "matches decides, and norms follow their values"));
    }
  }
  // What does not compile has been told of.
  const bool broken =
      std::any_of(rules.rules.begin(), rules.rules.end(),
                  [](const Rule& rule) { return rule.patterns.empty(); });
  if (any || broken) return;
  diagnostics->Warning(
      rules.rules.empty() ? rules.strict_place : rules.rules[0].place,
      "NOTHING_MATCHES",
      absl::StrCat("no rule of ",
                   rules.detail.substr(0, rules.detail.find(';')),
                   " matches a parameter of this model; names look like ",
                   counts.example),
      "leave the rules out: the model's own plan or the heuristics then "
      "decide");
}

}  // namespace autotp::plan
