#include "client/cli/plan_view.h"

#include <cctype>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/message_json.h"
#include "client/cli/table.h"

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

std::string ShapeText(const google::protobuf::RepeatedField<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

// "model.layers.*.mlp.up_proj.weight": numbers between dots become stars.
std::string LayerPattern(const std::string& name) {
  std::string pattern;
  for (size_t i = 0; i < name.size();) {
    const bool starts = i == 0 || name[i - 1] == '.';
    size_t end = i;
    while (starts && end < name.size() && std::isdigit(name[end])) ++end;
    if (end > i && (end == name.size() || name[end] == '.')) {
      pattern += '*';
      i = end;
    } else {
      pattern += name[i++];
    }
  }
  return pattern;
}

std::string LocalText(const v1::ParameterPlan& parameter) {
  std::vector<std::string> shapes;
  for (const v1::RankSlice& rank : parameter.ranks())
    shapes.push_back(ShapeText(rank.shape()));
  bool equal = true;
  for (const std::string& shape : shapes) equal = equal && shape == shapes[0];
  if (shapes.empty()) return "";
  return equal ? shapes[0] : absl::StrJoin(shapes, " ");
}

std::string ClassesTable(const v1::Plan& plan) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::CutClass& cut_class : plan.classes()) {
    rows.push_back({cut_class.name(), absl::StrCat(cut_class.count()),
                    absl::StrCat(cut_class.units(), " ", cut_class.unit(),
                                 cut_class.units() == 1 ? "" : "s"),
                    cut_class.cut()
                        ? absl::StrJoin(cut_class.units_per_rank(), " + ")
                        : "whole",
                    cut_class.reason()});
  }
  return RenderTable({"CLASS", "COUNT", "UNITS", "SPLIT", "REASON"}, rows);
}

std::string ParametersTable(const v1::Plan& plan) {
  // Rows that differ in nothing but the layer's number are one row.
  std::vector<std::pair<std::vector<std::string>, int>> rows;
  std::map<std::vector<std::string>, size_t> index;
  for (const v1::ParameterPlan& parameter : plan.parameters()) {
    std::vector<std::string> row = {
        LayerPattern(parameter.name()), ShapeText(parameter.shape()),
        EnumWord(v1::ParameterPlan::Partition_descriptor(),
                 parameter.partition()),
        LocalText(parameter), parameter.rule()};
    const auto [at, is_new] = index.emplace(row, rows.size());
    if (is_new) rows.push_back({std::move(row), 0});
    ++rows[at->second].second;
  }
  std::vector<std::vector<std::string>> cells;
  for (auto& [row, count] : rows) {
    row.insert(row.begin() + 1, absl::StrCat(count));
    cells.push_back(std::move(row));
  }
  return RenderTable(
      {"PARAMETER", "COUNT", "SHAPE", "PARTITION", "LOCAL SHAPE", "RULE"},
      cells);
}

std::string CollectivesTable(const v1::Plan& plan) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::CollectivePlan& use : plan.collectives()) {
    rows.push_back(
        {EnumWord(v1::CollectivePlan::Kind_descriptor(), use.kind()),
         EnumWord(v1::CollectivePlan::Group_descriptor(), use.group()),
         use.phase(), absl::StrCat(use.count()),
         HumanBytes(static_cast<double>(use.bytes())), use.reason()});
  }
  return RenderTable(
      {"COLLECTIVE", "GROUP", "PHASE", "COUNT", "BYTES/STEP", "REASON"}, rows);
}

std::string EstimateText(const v1::Estimate& estimate) {
  const auto bytes = [](int64_t n) {
    return HumanBytes(static_cast<double>(n));
  };
  return absl::StrCat(
      "memory per rank: ", bytes(estimate.total_bytes()), " (parameters ",
      bytes(estimate.parameter_bytes()), ", gradients ",
      bytes(estimate.gradient_bytes()), ", optimizer ",
      bytes(estimate.optimizer_bytes()), ", activations ",
      bytes(estimate.activation_bytes()), ")\ntraffic per rank and step: ",
      bytes(estimate.tensor_parallel_bytes_per_step()), " tensor parallel, ",
      bytes(estimate.data_parallel_bytes_per_step()), " data parallel\n",
      absl::StrFormat("work: %.3g FLOP per token\n",
                      estimate.flops_per_token()));
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
      {"model_type", plan.model_type()},
      {"parameter_count", plan.parameter_count()},
      {"rule_source",
       EnumWord(v1::RuleSource_descriptor(), plan.rule_source())},
      {"rule_source_detail", plan.rule_source_detail()},
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

std::string PlanText(const v1::ValidateJobResponse& response) {
  const v1::Plan& plan = response.plan();
  const v1::TrainingConfig& config = response.config();
  return absl::StrCat(
      plan.model_type(), ", ", plan.parameter_count(), " parameters, world ",
      plan.world_size(), " = TP ", plan.tensor_parallel_size(), " x DP ",
      plan.data_parallel_size(), ", ZeRO ", config.zero_stage(), "\nbatch ",
      config.train_batch_size(), " = micro-batch ", config.micro_batch_size(),
      " x accumulation ", config.accumulation_steps(), " x DP ",
      plan.data_parallel_size(),
      "\nrules: ", EnumWord(v1::RuleSource_descriptor(), plan.rule_source()),
      plan.rule_source_detail().empty() ? "" : ", ", plan.rule_source_detail(),
      "\nplan ", plan.digest(), "\n\n", ClassesTable(plan), "\n",
      ParametersTable(plan), "\n", CollectivesTable(plan), "\n",
      EstimateText(plan.estimate()));
}

}  // namespace autotp::cli
