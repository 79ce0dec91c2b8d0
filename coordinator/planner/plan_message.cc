#include "coordinator/planner/plan_message.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/plan/weight_role.h"
#include "coordinator/planner/estimate.h"
#include "coordinator/planner/layer_names.h"

namespace autotp::planner {
namespace {

v1::ParameterPlan::Partition PartitionOf(
    const std::vector<plan::WeightRole>& roles, size_t index, int dim) {
  if (dim < 0) return v1::ParameterPlan::PARTITION_REPLICATED;
  const plan::WeightRole& role = roles[index];
  const plan::WeightRole& weight =
      role.weight_of_bias >= 0 ? roles[role.weight_of_bias] : role;
  if (dim == 0 && (weight.is_embedding || weight.is_head)) {
    return v1::ParameterPlan::PARTITION_VOCABULARY;
  }
  const int input_dim = weight.is_transposed ? 0 : 1;
  const bool is_matrix = role.weight_of_bias < 0;
  return is_matrix && dim == input_dim && weight.is_linear &&
                 !weight.is_embedding
             ? v1::ParameterPlan::PARTITION_ROW
             : v1::ParameterPlan::PARTITION_COLUMN;
}

void FillSlice(const program::Parameter& parameter,
               const partition::ParameterCut& cut, size_t rank,
               v1::RankSlice* slice) {
  std::vector<int64_t> shape = parameter.shape;
  if (cut.dim >= 0) {
    shape[cut.dim] = program::Length(cut.ranks[rank]);
    for (const program::Interval& interval : cut.ranks[rank]) {
      v1::Interval* message = slice->add_intervals();
      message->set_begin(interval.begin);
      message->set_end(interval.end);
    }
  }
  for (const int64_t size : shape) slice->add_shape(size);
}

void FillParameter(const PlanInput& input,
                   const std::vector<plan::WeightRole>& roles, size_t index,
                   v1::ParameterPlan* message) {
  const program::Parameter& parameter = input.whole.parameters[index];
  message->set_name(parameter.name);
  for (const int64_t size : parameter.shape) message->add_shape(size);
  for (const std::string& alias : parameter.aliases) {
    message->add_aliases(alias);
  }
  partition::ParameterCut cut;
  if (const auto found = input.partitioned.parameters.find(parameter.name);
      found != input.partitioned.parameters.end()) {
    cut = found->second;
  }
  message->set_partition(PartitionOf(roles, index, cut.dim));
  message->set_dim(cut.dim);
  for (const int64_t block : cut.blocks) message->add_blocks(block);
  message->set_partial_gradient(cut.partial_gradient);
  const int ranks = input.partitioned.tensor_parallel_size;
  for (int r = 0; r < ranks; ++r)
    FillSlice(parameter, cut, static_cast<size_t>(r), message->add_ranks());
  const plan::Placement& placement = input.placements.at(parameter.name);
  message->set_rule(placement.rule);
  if (placement.rule.empty() && cut.cut_class >= 0) {
    message->set_rule(input.partitioned.classes[cut.cut_class].name);
  }
  const bool sized = ranks > 1;
  const bool ruled = input.rules.source != v1::RULE_SOURCE_HEURISTICS;
  message->set_reason(!sized ? placement.reason
                      : ruled && !cut.reason.empty()
                          ? absl::StrCat(placement.reason, "; ", cut.reason)
                          : cut.reason);
}

void FillRule(const plan::Rule& rule, v1::RulePlan* message) {
  message->set_origin(rule.origin);
  if (!rule.shown.empty()) {
    message->add_patterns(rule.shown);
  } else {
    for (const plan::Pattern& pattern : rule.patterns) {
      message->add_patterns(pattern.text());
    }
  }
  message->set_action(std::string(plan::ActionName(rule.action)));
  for (const std::string& type : rule.model_types) {
    message->add_model_types(type);
  }
  message->set_json_pointer(rule.place.json_pointer);
  message->set_line(rule.place.line);
}

v1::RuleTrial::Outcome OutcomeOf(plan::Trial::Outcome outcome) {
  switch (outcome) {
    case plan::Trial::Outcome::kDecides:
      return v1::RuleTrial::OUTCOME_DECIDES;
    case plan::Trial::Outcome::kNoMatch:
      return v1::RuleTrial::OUTCOME_NO_MATCH;
    case plan::Trial::Outcome::kTooLate:
      return v1::RuleTrial::OUTCOME_TOO_LATE;
    case plan::Trial::Outcome::kOtherModelType:
      return v1::RuleTrial::OUTCOME_OTHER_MODEL_TYPE;
    case plan::Trial::Outcome::kNoCutOfItsOwn:
      return v1::RuleTrial::OUTCOME_NO_CUT_OF_ITS_OWN;
    case plan::Trial::Outcome::kOverruled:
      return v1::RuleTrial::OUTCOME_OVERRULED;
  }
  return v1::RuleTrial::OUTCOME_UNSPECIFIED;
}

// What became of every rule, for `autotp plan --explain`.
void FillTrials(const PlanInput& input, const program::Parameter& parameter,
                const plan::Placement& placement, v1::Plan* plan,
                v1::ParameterPlan* message) {
  message->set_follows(placement.follows);
  for (size_t i = 0; i < placement.trials.size(); ++i) {
    const plan::Trial& trial = placement.trials[i];
    v1::RuleTrial* told = message->add_trials();
    told->set_rule(trial.rule);
    told->set_outcome(OutcomeOf(trial.outcome));
    told->set_pattern(trial.pattern);
    if (trial.outcome == plan::Trial::Outcome::kNoMatch) continue;
    told->set_reason(
        plan::TrialText(input.rules, parameter, placement.trials, i));
    if (trial.outcome != plan::Trial::Outcome::kDecides) continue;
    v1::RulePlan* rule = plan->mutable_rules(trial.rule);
    rule->set_decided(rule->decided() + 1);
  }
}

void FillClass(const partition::CutClass& cut_class, v1::CutClass* message) {
  message->set_name(cut_class.name);
  message->set_unit(cut_class.unit);
  message->set_units(cut_class.units);
  for (const int64_t units : cut_class.units_per_rank) {
    message->add_units_per_rank(units);
  }
  message->set_cut(!cut_class.units_per_rank.empty());
  message->set_reason(cut_class.reason);
  // Identical layers have the same members but for their number.
  std::map<std::string, int> layers;
  for (const auto& [name, dim] : cut_class.members) {
    const std::string member = absl::StrCat(WithoutNumbers(name), "@", dim);
    if (++layers[member] == 1) message->add_members(member);
  }
  int count = 1;
  for (const auto& [member, times] : layers) count = std::max(count, times);
  message->set_count(count);
}

void ReportGathers(const v1::Plan& plan, config::Diagnostics* diagnostics) {
  for (const v1::CollectivePlan& collective : plan.collectives()) {
    // Others, sequence parallelism's, have no reason to be told.
    if (collective.kind() != v1::CollectivePlan::KIND_ALL_GATHER ||
        collective.group() != v1::CollectivePlan::GROUP_TENSOR ||
        collective.reason().empty()) {
      continue;
    }
    // "what needs it; what avoids it".
    const std::string& reason = collective.reason();
    const size_t split = std::min(reason.find("; "), reason.size());
    diagnostics->Warning(
        {}, "GATHER_NEEDED",
        absl::StrCat("the rules force ", collective.count(),
                     collective.count() == 1 ? " gather" : " gathers",
                     " per micro-step, ", collective.bytes(),
                     " bytes per step: ", reason.substr(0, split)),
        split < reason.size()
            ? reason.substr(split + 2)
            : "change the rules, or leave them out: the heuristics decide");
  }
}

// Cuts that rules ask for and that the program cannot give. Key and value
// heads on every rank, with summed gradients, are as good as can be: a note.
void ReportImpossibleCuts(const PlanInput& input,
                          config::Diagnostics* diagnostics) {
  std::map<std::pair<bool, std::string>, std::vector<std::string>> by_reason;
  for (const auto& [name, placement] : input.placements) {
    if (placement.request.want != partition::ParameterRequest::Want::kCut) {
      continue;
    }
    const auto cut = input.partitioned.parameters.find(name);
    if (cut == input.partitioned.parameters.end() ||
        cut->second.dim == placement.request.dim) {
      continue;
    }
    std::vector<std::string>& names =
        by_reason[{cut->second.partial_gradient, cut->second.reason}];
    const std::string pattern = WithoutNumbers(name);
    if (std::find(names.begin(), names.end(), pattern) == names.end()) {
      names.push_back(pattern);
    }
  }
  for (const auto& [key, names] : by_reason) {
    const auto& [is_shared, reason] = key;
    const std::string message =
        absl::StrCat(absl::StrJoin(names, ", "), ": ", reason);
    if (is_shared) {
      diagnostics->Note({}, "HEADS_REPLICATED", message,
                        "a smaller autotp_size cuts them too");
    } else {
      diagnostics->Warning(
          {}, "CUT_NOT_POSSIBLE", message,
          "use a smaller autotp_size, or a rule that keeps them whole");
    }
  }
}

// Nothing is cut around an operation that the partitioner knows nothing of.
void ReportMissingRules(const PlanInput& input,
                        config::Diagnostics* diagnostics) {
  for (const partition::CutClass& one : input.partitioned.classes) {
    if (one.missing_rule.empty()) continue;
    std::vector<std::string> members;
    for (const auto& [name, dim] : one.members) {
      const std::string pattern = WithoutNumbers(name);
      if (std::find(members.begin(), members.end(), pattern) == members.end())
        members.push_back(pattern);
    }
    diagnostics->Warning(
        {}, "PLACEMENT_RULE_MISSING",
        absl::StrCat("operation ", one.missing_rule, " has no placement rule: ",
                     one.name, " (", one.units, " ", one.unit, "s of ",
                     absl::StrJoin(members, ", "), ") stays whole"),
        "a rule for these weights cuts them all the same, with a gather before "
        "the operation");
  }
}

void ReportSplits(const v1::Plan& plan, config::Diagnostics* diagnostics) {
  bool any = false;
  for (const v1::CutClass& cut_class : plan.classes()) {
    any = any || cut_class.cut();
    const int64_t size = plan.tensor_parallel_size();
    if (!cut_class.cut()) continue;
    const auto [least, most] = std::minmax_element(
        cut_class.units_per_rank().begin(), cut_class.units_per_rank().end());
    if (*least == *most) continue;
    diagnostics->Note(
        {}, "UNEVEN_SPLIT",
        absl::StrCat(cut_class.name(), ": ", cut_class.units(), " ",
                     cut_class.unit(), "s over ", size, " ranks = ",
                     absl::StrJoin(cut_class.units_per_rank(), " + "),
                     "; the largest share sets the pace"),
        cut_class.units() % size == 0
            ? "a smaller tp_grain_size is even"
            : absl::StrCat("an autotp_size that divides ", cut_class.units(),
                           " is even"));
  }
  if (any) return;
  diagnostics->Warning(
      {}, "NOTHING_IS_CUT",
      absl::StrCat("autotp_size is ", plan.tensor_parallel_size(),
                   ", but no weight is cut: every rank of a tensor-parallel "
                   "group does the same work"),
      "set autotp_size to 1, or change the rules");
}

}  // namespace

v1::Plan PlanMessage(const PlanInput& input) {
  v1::Plan plan;
  const int32_t size = input.partitioned.tensor_parallel_size;
  plan.set_tensor_parallel_size(size);
  plan.set_data_parallel_size(static_cast<int32_t>(input.data_parallel_size));
  plan.set_world_size(size * static_cast<int32_t>(input.data_parallel_size));
  plan.set_rule_source(input.rules.source);
  plan.set_rule_source_detail(input.rules.detail);
  plan.set_model_type(input.model_type);
  plan.set_parameter_count(ParameterElements(input.whole));
  for (const partition::CutClass& cut_class : input.partitioned.classes) {
    FillClass(cut_class, plan.add_classes());
  }
  for (const plan::Rule& rule : input.rules.rules) {
    FillRule(rule, plan.add_rules());
  }
  const std::vector<plan::WeightRole> roles = plan::WeightRoles(input.whole);
  for (size_t i = 0; i < input.whole.parameters.size(); ++i) {
    const program::Parameter& parameter = input.whole.parameters[i];
    FillParameter(input, roles, i, plan.add_parameters());
    FillTrials(input, parameter, input.placements.at(parameter.name), &plan,
               plan.mutable_parameters(static_cast<int>(i)));
  }
  const EstimateInput estimate{input.whole, input.partitioned, input.training,
                               input.data_parallel_size};
  const std::vector<v1::CollectivePlan> collectives = CollectivesOf(estimate);
  plan.mutable_collectives()->Add(collectives.begin(), collectives.end());
  *plan.mutable_estimate() = EstimateOf(estimate, collectives);
  return plan;
}

void ReportOutcome(const PlanInput& input, const v1::Plan& plan,
                   config::Diagnostics* diagnostics) {
  if (plan.tensor_parallel_size() == 1) return;
  ReportGathers(plan, diagnostics);
  ReportImpossibleCuts(input, diagnostics);
  ReportMissingRules(input, diagnostics);
  ReportSplits(plan, diagnostics);
}

}  // namespace autotp::planner
