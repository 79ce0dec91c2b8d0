// tp_plan.h -- Hugging Face's tensor-parallel plans as rules.
//
// A plan maps module patterns to styles. In a pattern `*` stands for anything,
// as in DeepSpeed (in the library: for one number); a pattern begins at a whole
// name, so "lm_head" is not "my_lm_head".
#ifndef AUTOTP_COORDINATOR_PLAN_TP_PLAN_H_
#define AUTOTP_COORDINATOR_PLAN_TP_PLAN_H_

#include <string>
#include <vector>

#include "coordinator/config/diagnostics.h"
#include "coordinator/plan/rule.h"
#include "coordinator/plan/tp_plan_table.h"

namespace autotp::plan {

// A plan that stands in a file.
struct PlacedTpPlan {
  config::SourcePlace place;  // its pointer is the plan's
  TpPlan entries;
};

struct TpPlanEntry {
  std::string module;
  std::string style;
  config::SourcePlace place;
};

// One plan out of several. The same module later takes the later style; a
// module "model.X" is dropped where X is there already; entries for a ".weight"
// by name come before those for its module.
std::vector<TpPlanEntry> MergeTpPlans(const std::vector<PlacedTpPlan>& plans);

// Reports TP_PLAN_STYLE_UNKNOWN and TP_PLAN_STYLE_NOT_SUPPORTED (errors).
std::vector<Rule> TpPlanRules(const std::vector<TpPlanEntry>& entries,
                              const std::string& origin, bool report_if_unused,
                              config::Diagnostics* diagnostics);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_TP_PLAN_H_
