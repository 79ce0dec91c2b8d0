// rule.h -- a pattern with what it wants of the weights that it matches.
//
// Flow: choose_rules.h makes a RuleSet from the first source that the user or
// the model offers -> match_rules.h applies it to a program's parameters.
#ifndef AUTOTP_COORDINATOR_PLAN_RULE_H_
#define AUTOTP_COORDINATOR_PLAN_RULE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "autotp/v1/plan.pb.h"
#include "coordinator/config/tensor_parallel_request.h"
#include "coordinator/plan/pattern.h"

namespace autotp::plan {

enum class Action {
  kColumn,      // output features: dimension 0 of a weight [out, in], its bias
  kRow,         // input features: dimension 1; the bias stays whole
  kWhole,       // on every rank
  kVocabulary,  // rows of an embedding or a head
};
absl::string_view ActionName(Action action);

enum class RuleOrigin { kSpec, kPreset, kTpPlan };

struct Rule {
  std::vector<Pattern> patterns;  // any of them
  std::string shown;  // for people, instead of the pattern that matched
  Action action = Action::kWhole;
  RuleOrigin origin_kind = RuleOrigin::kSpec;
  std::string origin;                     // "preset llama": for people
  std::vector<std::string> model_types;   // lower case; empty: all
  std::vector<config::ShapeEntry> shape;  // of partition_config; may be empty
  int64_t partition_dim = 0;
  bool report_if_unused = false;
  // Of a preset: into how many equal blocks DeepSpeed's rule of that name cuts
  // the weight, and what else ours does otherwise, and why.
  int64_t deepspeed_blocks = 1;
  std::string differs;
  config::SourcePlace place;
  config::SourcePlace shape_place;
};

struct RuleSet {
  v1::RuleSource source = v1::RULE_SOURCE_NONE;
  std::string detail;       // "preset llama; tp_plan of llama not used"
  std::vector<Rule> rules;  // the first that matches wins
  bool strict_mode = false;
  config::SourcePlace strict_place;
  config::VocabularyParallel vocabulary_parallel =
      config::VocabularyParallel::kUnlessRuled;
  config::SourcePlace vocabulary_place;
  int64_t ranks = 1;
};

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_RULE_H_
