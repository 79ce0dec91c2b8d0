#include "coordinator/plan/choose_rules.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/plan/presets.h"
#include "proto/support/nearest.h"

namespace autotp::plan {
namespace {

Action ToAction(config::PartitionType type) {
  switch (type) {
    case config::PartitionType::kColumn:
      return Action::kColumn;
    case config::PartitionType::kRow:
      return Action::kRow;
    case config::PartitionType::kSkip:
      break;
  }
  return Action::kWhole;
}

// What a user may have wanted by these flags happens without them.
void NoteFlags(const config::LayerSpec& spec,
               config::Diagnostics* diagnostics) {
  if (spec.gather_output) {
    diagnostics->Note(
        spec.place, "GATHER_OUTPUT_NOT_NEEDED",
        "gather_output has no effect here: outputs are gathered exactly where "
        "an operation needs them whole, and the loss takes cut logits");
  }
  if (spec.grad_allreduce) {
    diagnostics->Note(
        spec.place, "GRAD_ALLREDUCE_NOT_NEEDED",
        "grad_allreduce has no effect here: partial gradients are found and "
        "summed once per optimizer step");
  }
  if (!spec.shape.empty() && spec.type == config::PartitionType::kSkip) {
    diagnostics->Note(spec.shape_place, "SHAPE_WITHOUT_EFFECT",
                      "shape has no effect here: skip keeps the weight whole");
  }
}

std::vector<Rule> SpecRules(const config::PartitionConfig& config,
                            config::Diagnostics* diagnostics) {
  std::vector<Rule> rules;
  for (size_t i = 0; i < config.specs.size(); ++i) {
    const config::LayerSpec& spec = config.specs[i];
    Rule rule;
    for (const config::PlacedText& text : spec.patterns) {
      auto pattern = Pattern::Compile(text.text);
      if (pattern.ok()) {
        rule.patterns.push_back(*std::move(pattern));
      } else {
        diagnostics->Error(text.place, "PATTERN_INVALID",
                           absl::StrCat("pattern \"", text.text,
                                        "\": ", pattern.status().message()),
                           "write it without, as several patterns if need be");
      }
    }
    rule.action = ToAction(spec.type);
    rule.origin = absl::StrCat("partition_config spec ", i);
    rule.model_types = spec.model_types;
    rule.shape = spec.shape;
    rule.partition_dim = spec.partition_dim;
    rule.report_if_unused = !rule.patterns.empty();
    rule.place = spec.place;
    rule.shape_place = spec.shape_place;
    NoteFlags(spec, diagnostics);
    rules.push_back(std::move(rule));
  }
  return rules;
}

// Empty after reporting, or where no preset is asked for.
std::vector<Rule> RequestedPreset(const config::TensorParallelRequest& request,
                                  config::Diagnostics* diagnostics) {
  if (!request.preset_model.has_value()) return {};
  const config::PlacedText& preset = *request.preset_model;
  std::optional<std::vector<Rule>> rules = PresetRules(preset.text);
  if (!rules.has_value()) {
    const absl::string_view near = Nearest(preset.text, PresetNames());
    diagnostics->Error(
        preset.place, "UNKNOWN_PRESET",
        absl::StrCat("unknown preset_model \"", preset.text, "\"; there are ",
                     absl::StrJoin(PresetNames(), ", ")),
        near.empty() ? "leave preset_model out: the model's own plan or the "
                       "heuristics then decide"
                     : absl::StrCat("write \"", near, "\""));
    return {};
  }
  for (Rule& rule : *rules) rule.place = preset.place;
  return *std::move(rules);
}

struct PlanSource {
  std::string name;
  std::vector<TpPlanEntry> entries;
  bool own = false;  // the model's own
};

PlanSource FindTpPlan(const ModelFacts& model) {
  PlanSource source;
  source.entries = MergeTpPlans(model.tp_plans);
  source.own = !source.entries.empty();
  if (source.own) {
    source.name = "tp_plan of config.json";
  } else {
    source.name = absl::StrCat("tp_plan of ", model.model_type);
    source.entries = MergeTpPlans({{{}, BuiltInTpPlan(model.model_type)}});
  }
  return source;
}

}  // namespace

absl::string_view ActionName(Action action) {
  switch (action) {
    case Action::kColumn:
      return "column";
    case Action::kRow:
      return "row";
    case Action::kWhole:
      return "whole";
    case Action::kVocabulary:
      return "vocabulary";
  }
  return "";
}

RuleSet ChooseRules(const config::TensorParallelRequest& request,
                    const ModelFacts& model, config::Diagnostics* diagnostics) {
  RuleSet set;
  set.vocabulary_parallel = request.vocabulary_parallel;
  set.vocabulary_place = request.vocabulary_place;
  set.ranks = request.size;
  std::vector<Rule> preset = RequestedPreset(request, diagnostics);
  const PlanSource tp_plan = FindTpPlan(model);
  std::vector<std::string> unused;
  if (!tp_plan.entries.empty()) unused.push_back(tp_plan.name);

  if (request.partition_config.has_value()) {
    const config::PartitionConfig& config = *request.partition_config;
    set.source = v1::RULE_SOURCE_PARTITION_CONFIG;
    set.detail = "partition_config";
    set.rules = SpecRules(config, diagnostics);
    set.strict_mode = config.strict_mode;
    set.strict_place = config.place;
    if (config.use_default_specs && !preset.empty()) {
      absl::StrAppend(&set.detail, ", then ", preset[0].origin);
      std::move(preset.begin(), preset.end(), std::back_inserter(set.rules));
    } else if (!preset.empty()) {
      unused.insert(unused.begin(), preset[0].origin);
    }
  } else if (request.preset_model.has_value()) {
    set.source = v1::RULE_SOURCE_PRESET_MODEL;
    set.detail = preset.empty() ? "preset" : preset[0].origin;
    set.rules = std::move(preset);
  } else if (!tp_plan.entries.empty()) {
    set.source = v1::RULE_SOURCE_TP_PLAN;
    set.detail = tp_plan.name;
    set.rules =
        TpPlanRules(tp_plan.entries, tp_plan.name, tp_plan.own, diagnostics);
    unused.clear();
  } else {
    set.source = v1::RULE_SOURCE_HEURISTICS;
    set.detail = "heuristics";
  }
  if (!unused.empty()) {
    const std::string passed_over = absl::StrJoin(unused, ", ");
    if (request.size > 1) {
      diagnostics->Note(
          request.partition_config ? request.partition_config->place
                                   : request.preset_model->place,
          "RULE_SOURCE",
          absl::StrCat("the rules are those of ", set.detail,
                       "; there is also, and is not used: ", passed_over),
          "the first of partition_config, preset_model, tp_plan and heuristics "
          "decides alone");
    }
    absl::StrAppend(&set.detail, "; not used: ", passed_over);
  }
  if (request.size == 1) {
    if (request.partition_config || request.preset_model) {
      diagnostics->Note(request.size_place, "RULES_WITHOUT_EFFECT",
                        "autotp_size is 1: partition_config and preset_model "
                        "have no effect",
                        "set autotp_size above 1 to cut the weights");
    }
    set = RuleSet{};
    set.detail = "tensor-parallel size 1";
  }
  return set;
}

}  // namespace autotp::plan
