#include "coordinator/plan/tp_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "coordinator/plan/tp_style.h"
#include "proto/support/nearest.h"

namespace autotp::plan {
namespace {

constexpr absl::string_view kModelPrefix = "model.";

// The library holds all experts in one tensor and calls the module "mlp";
// checkpoints, whose names are ours, have them one by one.
std::string WithSingleExperts(absl::string_view regex) {
  const std::string named = absl::StrReplaceAll(
      regex, {{R"(experts\.gate_up_proj)",
               R"(experts\.(?:gate_up_proj|\d+\.(?:gate_proj|up_proj|w1|w3)))"},
              {R"(experts\.down_proj)",
               R"(experts\.(?:down_proj|\d+\.(?:down_proj|w2)))"}});
  return absl::StrReplaceAll(
      named, {{R"(mlp\.experts\.)", R"((?:mlp|block_sparse_moe)\.experts\.)"}});
}

// Patterns are relative to some base model, so any prefix of whole names is
// allowed before them.
std::string ToRegex(absl::string_view module) {
  absl::string_view rest = module;
  absl::ConsumePrefix(&rest, kModelPrefix);
  std::string escaped;
  for (const char c : rest) {
    if (c == '*') {
      escaped += ".*";
    } else {
      if (absl::ascii_ispunct(static_cast<unsigned char>(c)) && c != '_') {
        escaped += '\\';
      }
      escaped += c;
    }
  }
  const absl::string_view end =
      absl::EndsWith(module, ".weight") ? "$" : R"(\.weight$)";
  return absl::StrCat(R"((?:.*\.)?)", WithSingleExperts(escaped), end);
}

config::SourcePlace EntryPlace(config::SourcePlace place,
                               absl::string_view module) {
  if (place.file.empty()) return place;
  absl::StrAppend(&place.json_pointer, "/",
                  absl::StrReplaceAll(module, {{"~", "~0"}, {"/", "~1"}}));
  return place;
}

void ReportStyle(const TpPlanEntry& entry, const TpStyle* style,
                 config::Diagnostics* diagnostics) {
  if (style != nullptr) {
    diagnostics->Error(entry.place, "TP_PLAN_STYLE_NOT_SUPPORTED",
                       absl::StrCat("style \"", entry.style, "\" of ",
                                    entry.module, " ", style->why),
                       std::string(style->way_out));
    return;
  }
  std::vector<absl::string_view> names;
  for (const TpStyle& known : TpStyles()) names.push_back(known.name);
  const absl::string_view near =
      Nearest(absl::AsciiStrToLower(entry.style), names);
  diagnostics->Error(
      entry.place, "TP_PLAN_STYLE_UNKNOWN",
      absl::StrCat("unknown style \"", entry.style, "\" of ", entry.module),
      near.empty() ? "colwise, rowwise, embedding_rowwise and replicate are "
                     "the usual ones"
                   : absl::StrCat("write \"", near, "\""));
}

}  // namespace

std::vector<TpPlanEntry> MergeTpPlans(const std::vector<PlacedTpPlan>& plans) {
  std::vector<TpPlanEntry> merged;
  const auto find = [&merged](absl::string_view module) {
    return std::find_if(
        merged.begin(), merged.end(),
        [module](const TpPlanEntry& entry) { return entry.module == module; });
  };
  for (const PlacedTpPlan& plan : plans) {
    for (const auto& [module, style] : plan.entries) {
      absl::string_view bare = module;
      if (absl::ConsumePrefix(&bare, kModelPrefix) &&
          find(bare) != merged.end()) {
        continue;
      }
      const config::SourcePlace place = EntryPlace(plan.place, module);
      if (const auto known = find(module); known != merged.end()) {
        known->style = style;
        known->place = place;
      } else {
        merged.push_back({module, style, place});
      }
    }
  }
  std::stable_partition(merged.begin(), merged.end(),
                        [](const TpPlanEntry& entry) {
                          return absl::EndsWith(entry.module, ".weight");
                        });
  return merged;
}

std::vector<Rule> TpPlanRules(const std::vector<TpPlanEntry>& entries,
                              const std::string& origin, bool report_if_unused,
                              config::Diagnostics* diagnostics) {
  std::vector<Rule> rules;
  for (const TpPlanEntry& entry : entries) {
    const TpStyle* style = FindTpStyle(entry.style);
    if (style == nullptr || style->use == TpStyle::Use::kRefused) {
      ReportStyle(entry, style, diagnostics);
      continue;
    }
    if (style->use == TpStyle::Use::kCollective) continue;
    auto pattern = Pattern::Compile(ToRegex(entry.module));
    if (!pattern.ok()) {
      diagnostics->Error(entry.place, "PATTERN_INVALID",
                         absl::StrCat("pattern ", entry.module, ": ",
                                      pattern.status().message()));
      continue;
    }
    Rule rule;
    rule.patterns.push_back(*std::move(pattern));
    rule.action = style->action;
    rule.shown = entry.module;
    rule.origin_kind = RuleOrigin::kTpPlan;
    rule.origin = absl::StrCat(origin, ", ", entry.module, " ", entry.style);
    rule.report_if_unused = report_if_unused;
    rule.place = entry.place;
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace autotp::plan
