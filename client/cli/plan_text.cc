// The plan for people: what a reader needs first comes first.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/layer_groups.h"
#include "client/cli/message_json.h"
#include "client/cli/plan_view.h"
#include "client/cli/plan_words.h"
#include "client/cli/table.h"

namespace autotp::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// "8,030,261,248"
std::string Grouped(int64_t number) {
  std::string text = absl::StrCat(number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), 1, ',');
  return text;
}

std::string Bytes(int64_t bytes) {
  return HumanBytes(static_cast<double>(bytes));
}

// "all_reduce" reads better as two words.
std::string Words(std::string word) {
  std::replace(word.begin(), word.end(), '_', ' ');
  return word;
}

// "preset model: preset llama", but "tp_plan of llama".
std::string RulesText(const v1::Plan& plan) {
  const std::string source =
      EnumWord(v1::RuleSource_descriptor(), plan.rule_source());
  const std::string& detail = plan.rule_source_detail();
  if (detail.empty()) return source;
  std::string key = source;
  std::replace(key.begin(), key.end(), ' ', '_');
  return absl::StartsWith(detail, source) || absl::StartsWith(detail, key)
             ? detail
             : absl::StrCat(source, ": ", detail);
}

std::string Summary(const v1::ValidateJobResponse& response) {
  const v1::Plan& plan = response.plan();
  const v1::TrainingConfig& config = response.config();
  return absl::StrCat(
      "model     ", plan.model_type(), ", ", Grouped(plan.parameter_count()),
      " parameters, shapes from ",
      plan.shapes_derived() ? "config.json alone (no weights read)"
                            : "config.json and the weights' headers",
      "\nworld     ", plan.world_size(), " = TP ", plan.tensor_parallel_size(),
      " x DP ", plan.data_parallel_size(),
      IsSequenceParallel(plan) ? ", sequence parallel" : "", ", ZeRO ",
      config.zero_stage(), ", ",
      EnumWord(v1::DataType_descriptor(), config.compute_dtype()),
      "\nbatch     ", config.train_batch_size(), " = micro-batch ",
      config.micro_batch_size(), " x accumulation ",
      config.accumulation_steps(), " x DP ", plan.data_parallel_size(),
      "\nrules     ", RulesText(plan), "\nplan      ", plan.digest(), "\n");
}

std::string ClassesTable(const v1::Plan& plan, const TextStyle& style) {
  Rows rows;
  for (const v1::CutClass& cut : plan.classes()) {
    rows.push_back({cut.name(), absl::StrCat(cut.count()),
                    absl::StrCat(cut.units(), " ", cut.unit(),
                                 cut.units() == 1 ? "" : "s"),
                    cut.cut() ? SharesText({cut.units_per_rank().begin(),
                                            cut.units_per_rank().end()})
                              : "whole",
                    cut.reason()});
  }
  return RenderTable({"CUT CLASS", "TIMES", "UNITS", "PER RANK", "WHY"}, rows,
                     style);
}

// Each reason is said once, below the table, under its number.
std::string ParametersTable(const v1::Plan& plan, const TextStyle& style) {
  std::vector<NamedText> items;
  for (const v1::ParameterPlan& parameter : plan.parameters()) {
    items.push_back(
        {parameter.name(),
         absl::StrJoin({ShapeText(parameter.shape()), PartitionText(parameter),
                        LocalShapeText(parameter), ReasonText(parameter)},
                       "\n")});
  }
  std::map<std::string, size_t> numbers;
  Rows rows;
  Rows reasons;
  for (const LayerGroup& group : GroupLayers(items)) {
    const v1::ParameterPlan& parameter =
        plan.parameters(static_cast<int>(group.members[0]));
    const std::string reason = ReasonText(parameter);
    const auto [number, is_new] = numbers.emplace(reason, numbers.size() + 1);
    const std::string mark = absl::StrCat("[", number->second, "]");
    if (is_new) reasons.push_back({mark, reason});
    rows.push_back({group.names, ShapeText(parameter.shape()),
                    PartitionText(parameter), LocalShapeText(parameter), mark});
    for (const std::string& alias : parameter.aliases())
      rows.push_back({absl::StrCat("  = ", alias), "", "", "", "same weight"});
  }
  return absl::StrCat(
      RenderTable({"PARAMETER", "SHAPE", "PARTITION", "ON A RANK", "WHY"}, rows,
                  style),
      "\n", RenderTable({"WHY", "RULE AND REASON"}, reasons, style));
}

std::string SitesText(const v1::CollectivePlan& use) {
  std::vector<std::string> sites;
  for (const v1::CollectiveSite& site : use.sites()) {
    sites.push_back(absl::StrCat(site.count(), " at ",
                                 absl::StrJoin(site.weights(), " + ")));
  }
  return absl::StrJoin(sites, "; ");
}

std::string CollectivesTable(const v1::Plan& plan, const TextStyle& style) {
  if (plan.collectives().empty())
    return style.Bold("COLLECTIVES") + "\nnone: one rank\n";
  Rows rows;
  for (const v1::CollectivePlan& use : plan.collectives()) {
    const std::string sites = SitesText(use);
    rows.push_back(
        {Words(EnumWord(v1::CollectivePlan::Kind_descriptor(), use.kind())),
         EnumWord(v1::CollectivePlan::Group_descriptor(), use.group()),
         use.phase() == "step" ? "step"
                               : absl::StrCat("micro-step, ", use.phase()),
         absl::StrCat(use.count()), Bytes(use.bytes()),
         absl::StrCat(use.reason(),
                      use.reason().empty() || sites.empty() ? "" : ": ",
                      sites)});
  }
  return RenderTable(
      {"COLLECTIVE", "GROUP", "IN EACH", "COUNT", "BYTES/STEP", "WHERE"}, rows,
      style);
}

std::string Bar(int64_t part, int64_t whole) {
  constexpr int64_t kLongest = 40;
  if (whole <= 0) return "";
  return std::string(static_cast<size_t>((part * kLongest + whole / 2) / whole),
                     '#');
}

std::string MemoryTable(const v1::Estimate& estimate, const TextStyle& style) {
  Rows rows;
  const int64_t total = estimate.total_bytes();
  for (const auto& [name, bytes] :
       {std::pair("parameters", estimate.parameter_bytes()),
        std::pair("gradients", estimate.gradient_bytes()),
        std::pair("optimizer", estimate.optimizer_bytes()),
        std::pair("activations", estimate.activation_bytes()),
        std::pair("buffers", estimate.buffer_bytes())}) {
    const double percent = total > 0 ? 100.0 * static_cast<double>(bytes) /
                                           static_cast<double>(total)
                                     : 0;
    rows.push_back({name, Bytes(bytes), absl::StrFormat("%3.0f %%", percent),
                    Bar(bytes, total)});
  }
  rows.push_back({"together", Bytes(total), "", ""});
  return RenderTable({"MEMORY", "PER RANK", "", ""}, rows, style);
}

std::string RecomputationText(const v1::Plan& plan) {
  if (plan.recomputation() == v1::RECOMPUTATION_NONE ||
      plan.recomputation() == v1::RECOMPUTATION_UNSPECIFIED)
    return "recomputation: none; --recompute selective or block keeps less\n";
  const v1::Estimate& estimate = plan.estimate();
  const double share = estimate.flops_per_token() > 0
                           ? estimate.recomputation_flops_per_token() /
                                 estimate.flops_per_token()
                           : 0;
  return absl::StrCat(
      "recomputation: ",
      EnumWord(v1::Recomputation_descriptor(), plan.recomputation()),
      ", saves ", Bytes(estimate.recomputation_saved_bytes()),
      absl::StrFormat(" of activations for %.1f %% more FLOP\n", 100 * share));
}

std::string CostText(const v1::Estimate& estimate) {
  return absl::StrCat(
      "traffic per rank and step: ",
      Bytes(estimate.tensor_parallel_bytes_per_step()), " tensor parallel, ",
      Bytes(estimate.data_parallel_bytes_per_step()), " data parallel\n",
      absl::StrFormat("work: %.3g FLOP per token\n",
                      estimate.flops_per_token()));
}

}  // namespace

std::string PlanText(const v1::ValidateJobResponse& response,
                     const TextStyle& style) {
  const v1::Plan& plan = response.plan();
  std::string text = Summary(response) + "\n";
  if (plan.classes_size() > 0)
    absl::StrAppend(&text, ClassesTable(plan, style), "\n");
  absl::StrAppend(&text, ParametersTable(plan, style), "\n",
                  CollectivesTable(plan, style), "\n",
                  MemoryTable(plan.estimate(), style), "\n",
                  CostText(plan.estimate()), RecomputationText(plan));
  return text;
}

}  // namespace autotp::cli
