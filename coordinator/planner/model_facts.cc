#include "coordinator/planner/model_facts.h"

namespace autotp::planner {

plan::ModelFacts FactsOf(const model::LoadedModel& model,
                         const std::string& config_file) {
  plan::ModelFacts facts;
  facts.model_type = model.model_type;
  for (const model::TpPlanText& plan : model.tp_plans) {
    facts.tp_plans.push_back({{config_file, plan.json_pointer}, plan.entries});
  }
  return facts;
}

}  // namespace autotp::planner
