#include "coordinator/plan/tp_plan.h"

#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "coordinator/config/key_table.h"

namespace autotp::plan {
namespace {

enum class StyleUse {
  kRule,        // places a weight
  kCollective,  // a module's communication: the partitioner's to decide
  kRefused,
};

struct Style {
  absl::string_view name;
  StyleUse use;
  Action action = Action::kWhole;
};

constexpr std::array<Style, 34> kStyles = {{
    {"colwise", StyleUse::kRule, Action::kColumn},
    {"colwise_rep", StyleUse::kRule, Action::kColumn},
    {"colwise_gather_output", StyleUse::kRule, Action::kColumn},
    {"colwise_allgather", StyleUse::kRule, Action::kColumn},
    {"colwise_loss_parallel", StyleUse::kRule, Action::kColumn},
    {"local_colwise", StyleUse::kRule, Action::kColumn},
    {"packed_colwise", StyleUse::kRule, Action::kColumn},
    {"rowwise", StyleUse::kRule, Action::kRow},
    {"rowwise_rep", StyleUse::kRule, Action::kRow},
    {"rowwise_split_input", StyleUse::kRule, Action::kRow},
    {"rowwise_allreduce", StyleUse::kRule, Action::kRow},
    {"rowwise_reduce_scatter", StyleUse::kRule, Action::kRow},
    {"local_rowwise", StyleUse::kRule, Action::kRow},
    {"replicate", StyleUse::kRule, Action::kWhole},
    {"replicated", StyleUse::kRule, Action::kWhole},
    {"replicated_with_grad_allreduce", StyleUse::kRule, Action::kWhole},
    {"mla_kv_a_proj", StyleUse::kRule, Action::kWhole},
    {"sequence_parallel", StyleUse::kRule, Action::kWhole},
    {"activation", StyleUse::kRule, Action::kWhole},
    {"embedding_rowwise", StyleUse::kRule, Action::kVocabulary},
    {"vocab_allreduce", StyleUse::kRule, Action::kVocabulary},
    {"vocab_reduce_scatter", StyleUse::kRule, Action::kVocabulary},
    {"all_reduce", StyleUse::kCollective},
    {"gather", StyleUse::kCollective},
    {"local", StyleUse::kCollective},
    {"isolated", StyleUse::kCollective},
    {"moe_tp_experts", StyleUse::kCollective},
    {"packed_rowwise", StyleUse::kRefused},
    {"local_packed_rowwise", StyleUse::kRefused},
    {"embedding_colwise", StyleUse::kRefused},
    {"grouped_gemm", StyleUse::kRefused},
    {"ep_router", StyleUse::kRefused},
    {"moe_identity_expert", StyleUse::kRefused},
    {"megamoe_experts", StyleUse::kRefused},
}};

const Style* FindStyle(absl::string_view name) {
  for (const Style& style : kStyles) {
    if (style.name == name) return &style;
  }
  return nullptr;
}

// Patterns are relative to some base model, so any prefix of whole names is
// allowed before them.
std::string ToRegex(absl::string_view module) {
  std::string escaped;
  for (const char c : module) {
    if (c == '*') {
      escaped += ".*";
    } else {
      if (!absl::ascii_isalnum(c) && c != '_') escaped += '\\';
      escaped += c;
    }
  }
  return absl::StrCat(R"((?:.*\.)?)", escaped,
                      absl::EndsWith(module, ".weight") ? "$" : R"(\.weight$)");
}

config::SourcePlace EntryPlace(config::SourcePlace place,
                               absl::string_view module) {
  if (place.file.empty()) return place;
  absl::StrAppend(&place.json_pointer, "/",
                  absl::StrReplaceAll(module, {{"~", "~0"}, {"/", "~1"}}));
  return place;
}

}  // namespace

TpPlan BuiltInTpPlan(absl::string_view model_type) {
  const bool known = model_type == "llama" || model_type == "mistral" ||
                     model_type == "qwen2" || model_type == "qwen3";
  if (!known) return {};
  TpPlan plan = {
      {"layers.*.self_attn.q_proj", "colwise"},
      {"layers.*.self_attn.k_proj", "colwise"},
      {"layers.*.self_attn.v_proj", "colwise"},
      {"layers.*.self_attn.o_proj", "rowwise"},
      {"layers.*.mlp.gate_proj", "colwise"},
      {"layers.*.mlp.up_proj", "colwise"},
      {"layers.*.mlp.down_proj", "rowwise"},
      {"lm_head", "colwise_gather_output"},
      {"embed_tokens", "embedding_rowwise"},
  };
  if (model_type == "qwen3") {
    plan.push_back(
        {"layers.*.self_attn.q_norm", "replicated_with_grad_allreduce"});
    plan.push_back(
        {"layers.*.self_attn.k_norm", "replicated_with_grad_allreduce"});
  }
  return plan;
}

std::vector<Rule> TpPlanRules(const TpPlan& plan, const std::string& origin,
                              const config::SourcePlace& place,
                              bool report_if_unused,
                              config::Diagnostics* diagnostics) {
  std::vector<Rule> rules;
  for (const auto& [module, style_name] : plan) {
    const config::SourcePlace entry_place = EntryPlace(place, module);
    const Style* style = FindStyle(absl::AsciiStrToLower(style_name));
    if (style == nullptr) {
      std::vector<absl::string_view> names;
      for (const Style& known : kStyles) names.push_back(known.name);
      const absl::string_view near = config::Nearest(style_name, names);
      diagnostics->Error(
          entry_place, "TP_PLAN_STYLE_UNKNOWN",
          absl::StrCat("unknown style \"", style_name, "\" of ", module),
          near.empty() ? "" : absl::StrCat("write \"", near, "\""));
      continue;
    }
    if (style->use == StyleUse::kRefused) {
      diagnostics->Error(
          entry_place, "TP_PLAN_STYLE_NOT_SUPPORTED",
          absl::StrCat("style \"", style_name, "\" of ", module,
                       " is not supported"),
          "place these weights by tensor_parallel.partition_config");
      continue;
    }
    if (style->use == StyleUse::kCollective) continue;
    auto pattern = Pattern::Compile(ToRegex(module));
    if (!pattern.ok()) {
      diagnostics->Error(
          entry_place, "PATTERN_INVALID",
          absl::StrCat("pattern ", module, ": ", pattern.status().message()));
      continue;
    }
    Rule rule;
    rule.patterns.push_back(*std::move(pattern));
    rule.action = style->action;
    rule.shown = module;
    rule.origin = absl::StrCat(origin, ", ", module, " ", style_name);
    rule.report_if_unused = report_if_unused;
    rule.place = entry_place;
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace autotp::plan
