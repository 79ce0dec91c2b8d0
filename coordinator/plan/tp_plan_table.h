// tp_plan_table.h -- the tensor-parallel plans that Hugging Face's library has
// in its code, by model_type: they are never written into a config.json.
#ifndef AUTOTP_COORDINATOR_PLAN_TP_PLAN_TABLE_H_
#define AUTOTP_COORDINATOR_PLAN_TP_PLAN_TABLE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace autotp::plan {

// Module pattern and style, in the plan's order.
using TpPlan = std::vector<std::pair<std::string, std::string>>;

// Empty where the library has no plan for the type.
TpPlan BuiltInTpPlan(absl::string_view model_type);

// All types that have one, sorted.
std::vector<absl::string_view> TpPlanModelTypes();

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_TP_PLAN_TABLE_H_
