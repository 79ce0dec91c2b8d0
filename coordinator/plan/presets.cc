#include "coordinator/plan/presets.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/support/check.h"

namespace autotp::plan {
namespace {

struct PresetRule {
  absl::string_view module;  // behind any prefix, before ".weight"
  Action action;
  int64_t deepspeed_blocks = 1;
  absl::string_view differs = "";
};

constexpr absl::string_view kScaledHeads =
    "DeepSpeed's preset leaves it whole, but scales the head counts of the "
    "same "
    "attention, so that its shapes do not fit";

struct Preset {
  absl::string_view name;
  std::vector<PresetRule> rules;
};

const std::vector<Preset>& Presets() {
  constexpr Action kColumn = Action::kColumn;
  constexpr Action kRow = Action::kRow;
  constexpr Action kWhole = Action::kWhole;
  static const std::vector<PresetRule> llama = {
      {R"(self_attn\.o_proj)", kRow},
      {R"(self_attn\.[qkv]_proj)", kColumn},
      {R"(mlp\.down_proj)", kRow},
      {R"(mlp\.(up|gate)_proj)", kColumn}};
  static const std::vector<Preset>* const presets = new std::vector<Preset>{
      {"bloom",
       {{R"(self_attention\.dense)", kRow},
        {R"(self_attention\.query_key_value)", kColumn, 1,
         "the ALiBi slopes are cut with their heads; DeepSpeed gives every "
         "rank "
         "the slopes of a model with so many heads, and the loss is off"},
        {R"(mlp\.dense_4h_to_h)", kRow},
        {R"(mlp\.dense_h_to_4h)", kColumn}}},
      {"chatglm",
       {{R"(self_attention\.dense)", kRow},
        {R"(self_attention\.query_key_value)", kColumn, 3},
        {R"(mlp\.dense_4h_to_h)", kRow},
        {R"(mlp\.dense_h_to_4h)", kColumn, 2}}},
      {"deepseek_v2",
       {{R"(self_attn\.o_proj)", kRow},
        {R"(self_attn\.(q_a_proj|kv_a_proj_with_mqa))", kWhole},
        {R"(self_attn\.(q_b_proj|kv_b_proj))", kColumn},
        {R"(mlp\.(experts\.\d+|shared_experts)\.down_proj)", kRow},
        {R"(mlp\.(experts\.\d+|shared_experts)\.(up|gate)_proj)", kColumn},
        {R"(mlp\.gate)", kWhole},
        {R"(self_attn\.q_proj)", kColumn, 1, kScaledHeads},
        {R"(mlp\.down_proj)", kRow, 1,
         "DeepSpeed's preset leaves the dense first layers whole"},
        {R"(mlp\.(up|gate)_proj)", kColumn, 1,
         "DeepSpeed's preset leaves the dense first layers whole"}}},
      {"llama", llama},
      {"mixtral",
       {{R"(self_attn\.o_proj)", kRow},
        {R"(self_attn\.[qkv]_proj)", kColumn},
        {R"(block_sparse_moe\.experts\.\d+\.w2)", kRow},
        {R"(block_sparse_moe\.experts\.\d+\.w[13])", kColumn},
        {R"(block_sparse_moe\.gate)", kWhole}}},
      {"phi3",
       {{R"(self_attn\.o_proj)", kRow},
        {R"(self_attn\.qkv_proj)", kColumn, 3},
        {R"(mlp\.down_proj)", kRow},
        {R"(mlp\.gate_up_proj)", kColumn, 2}}},
      {"qwen2", llama},
  };
  return *presets;
}

}  // namespace

std::vector<absl::string_view> PresetNames() {
  std::vector<absl::string_view> names;
  for (const Preset& preset : Presets()) names.push_back(preset.name);
  return names;
}

std::optional<std::vector<Rule>> PresetRules(absl::string_view name) {
  const std::string wanted = absl::AsciiStrToLower(name);
  for (const Preset& preset : Presets()) {
    if (preset.name != wanted) continue;
    std::vector<Rule> rules;
    for (const PresetRule& entry : preset.rules) {
      Rule rule;
      auto pattern = Pattern::Compile(
          absl::StrCat(R"(.*\.)", entry.module, R"(\.weight$)"));
      AUTOTP_CHECK(pattern.ok(), pattern.status().ToString());
      rule.patterns.push_back(*std::move(pattern));
      rule.action = entry.action;
      rule.origin_kind = RuleOrigin::kPreset;
      rule.origin = absl::StrCat("preset ", preset.name);
      rule.deepspeed_blocks = entry.deepspeed_blocks;
      rule.differs = std::string(entry.differs);
      rules.push_back(std::move(rule));
    }
    return rules;
  }
  return std::nullopt;
}

}  // namespace autotp::plan
