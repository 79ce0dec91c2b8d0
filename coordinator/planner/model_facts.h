// model_facts.h -- what the rules need to know of a model that was read.
#ifndef AUTOTP_COORDINATOR_PLANNER_MODEL_FACTS_H_
#define AUTOTP_COORDINATOR_PLANNER_MODEL_FACTS_H_

#include <string>

#include "coordinator/model/model.h"
#include "coordinator/plan/choose_rules.h"

namespace autotp::planner {

// `config_file`: the path of the model's config.json, for diagnostics.
plan::ModelFacts FactsOf(const model::LoadedModel& model,
                         const std::string& config_file);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_MODEL_FACTS_H_
