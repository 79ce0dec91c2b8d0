// plan_message.h -- the outcome of a partition as a v1::Plan, for people.
#ifndef AUTOTP_COORDINATOR_PLANNER_PLAN_MESSAGE_H_
#define AUTOTP_COORDINATOR_PLANNER_PLAN_MESSAGE_H_

#include <cstdint>
#include <map>
#include <string>

#include "autotp/v1/plan.pb.h"
#include "autotp/v1/training.pb.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/partition/partition.h"
#include "coordinator/plan/match_rules.h"
#include "coordinator/program/program.h"

namespace autotp::planner {

struct PlanInput {
  const program::Program& whole;
  const partition::Partitioned& partitioned;
  const plan::RuleSet& rules;
  const std::map<std::string, plan::Placement>& placements;
  const v1::TrainingConfig& training;
  std::string model_type;
  int64_t data_parallel_size = 1;
};

// All but the digest.
v1::Plan PlanMessage(const PlanInput& input);

// Findings about the outcome: GATHER_NEEDED, CUT_NOT_POSSIBLE, NOTHING_IS_CUT,
// PLACEMENT_RULE_MISSING (warnings), HEADS_REPLICATED and UNEVEN_SPLIT (notes).
void ReportOutcome(const PlanInput& input, const v1::Plan& plan,
                   config::Diagnostics* diagnostics);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_PLAN_MESSAGE_H_
