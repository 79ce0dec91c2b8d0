// tp_plan.h -- Hugging Face's tensor-parallel plans as rules.
//
// A plan maps module patterns, in which `*` stands for a layer number, to
// styles. Styles of all generations of the library are known. A style says
// where a weight is cut and which collectives follow; only the first matters
// here, since the partitioner decides the collectives.
#ifndef AUTOTP_COORDINATOR_PLAN_TP_PLAN_H_
#define AUTOTP_COORDINATOR_PLAN_TP_PLAN_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/plan/rule.h"

namespace autotp::plan {

// Module pattern and style, in the plan's order.
using TpPlan = std::vector<std::pair<std::string, std::string>>;

// Our table for a model_type; empty where it has none.
TpPlan BuiltInTpPlan(absl::string_view model_type);

// Reports TP_PLAN_STYLE_UNKNOWN and TP_PLAN_STYLE_NOT_SUPPORTED (errors) at
// `place`, whose pointer is the plan's.
std::vector<Rule> TpPlanRules(const TpPlan& plan, const std::string& origin,
                              const config::SourcePlace& place,
                              bool report_if_unused,
                              config::Diagnostics* diagnostics);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_TP_PLAN_H_
