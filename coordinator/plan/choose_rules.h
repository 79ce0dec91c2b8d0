// choose_rules.h -- where a model's rules come from.
//
// The first source that is there wins: partition_config (with the preset's
// rules behind it, where use_default_specs and a preset are given),
// preset_model, the model's tp_plan (config.json's own, else our table for its
// model_type), heuristics (no rules: dataflow decides).
#ifndef AUTOTP_COORDINATOR_PLAN_CHOOSE_RULES_H_
#define AUTOTP_COORDINATOR_PLAN_CHOOSE_RULES_H_

#include <string>
#include <vector>

#include "coordinator/config/diagnostics.h"
#include "coordinator/config/tensor_parallel_request.h"
#include "coordinator/plan/rule.h"
#include "coordinator/plan/tp_plan.h"

namespace autotp::plan {

// What of the model matters here.
struct ModelFacts {
  std::string model_type;
  std::vector<PlacedTpPlan> tp_plans;  // config.json's own; may be empty
};

// Reports UNKNOWN_PRESET, PATTERN_INVALID, TP_PLAN_STYLE_* (errors), and as
// notes RULE_SOURCE, where other sources were passed over, and what has no
// effect.
// At size 1 the source is NONE: patterns are checked, nothing will be matched.
RuleSet ChooseRules(const config::TensorParallelRequest& request,
                    const ModelFacts& model, config::Diagnostics* diagnostics);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_CHOOSE_RULES_H_
