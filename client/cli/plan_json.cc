#include "client/cli/plan_view.h"

#include <utility>
#include <vector>

#include "client/cli/message_json.h"
#include "client/cli/plan_words.h"

namespace autotp::cli {
namespace {

using nlohmann::ordered_json;

ordered_json Shape(const google::protobuf::RepeatedField<int64_t>& shape) {
  return std::vector<int64_t>(shape.begin(), shape.end());
}

ordered_json ParameterJson(const v1::ParameterPlan& parameter) {
  ordered_json local_shapes = ordered_json::array();
  for (const v1::RankSlice& rank : parameter.ranks())
    local_shapes.push_back(Shape(rank.shape()));
  return {
      {"name", parameter.name()},
      {"shape", Shape(parameter.shape())},
      {"partition", EnumWord(v1::ParameterPlan::Partition_descriptor(),
                             parameter.partition())},
      {"dim", parameter.dim()},
      {"blocks", Shape(parameter.blocks())},
      {"local_shapes", std::move(local_shapes)},
      {"rule", parameter.rule()},
      {"reason", parameter.reason()},
      {"aliases", std::vector<std::string>(parameter.aliases().begin(),
                                           parameter.aliases().end())},
      {"partial_gradient", parameter.partial_gradient()},
  };
}

}  // namespace

ordered_json PlanJson(const v1::ValidateJobResponse& response) {
  const v1::Plan& plan = response.plan();
  const v1::TrainingConfig& config = response.config();
  ordered_json diagnostics = ordered_json::array();
  for (const v1::Diagnostic& diagnostic : response.diagnostics())
    diagnostics.push_back(ToJson(diagnostic));
  ordered_json classes = ordered_json::array();
  for (const v1::CutClass& cut_class : plan.classes())
    classes.push_back(ToJson(cut_class));
  ordered_json collectives = ordered_json::array();
  for (const v1::CollectivePlan& use : plan.collectives())
    collectives.push_back(ToJson(use));
  ordered_json parameters = ordered_json::array();
  for (const v1::ParameterPlan& parameter : plan.parameters())
    parameters.push_back(ParameterJson(parameter));
  return {
      {"valid", response.valid()},
      {"diagnostics", std::move(diagnostics)},
      {"train_batch_size", config.train_batch_size()},
      {"micro_batch_size", config.micro_batch_size()},
      {"gradient_accumulation_steps", config.accumulation_steps()},
      {"world_size", plan.world_size()},
      {"tensor_parallel_size", plan.tensor_parallel_size()},
      {"data_parallel_size", plan.data_parallel_size()},
      {"sequence_parallel", IsSequenceParallel(plan)},
      {"zero_stage", config.zero_stage()},
      {"compute_dtype",
       EnumWord(v1::DataType_descriptor(), config.compute_dtype())},
      {"model_type", plan.model_type()},
      {"shapes_derived", plan.shapes_derived()},
      {"parameter_count", plan.parameter_count()},
      {"rule_source",
       EnumWord(v1::RuleSource_descriptor(), plan.rule_source())},
      {"rule_source_detail", plan.rule_source_detail()},
      {"recomputation",
       EnumWord(v1::Recomputation_descriptor(), plan.recomputation())},
      {"digest", plan.digest()},
      {"classes", std::move(classes)},
      {"collectives", std::move(collectives)},
      {"parameters", std::move(parameters)},
      {"estimate", ToJson(plan.estimate())},
      {"effective_config",
       ordered_json::parse(response.effective_config_json(), nullptr,
                           /*allow_exceptions=*/false)},
  };
}

}  // namespace autotp::cli
