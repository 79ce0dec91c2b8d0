// The seven presets: what they match, and where they say that DeepSpeed's do
// otherwise.
#include "coordinator/plan/presets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/unit/coordinator/plan/plan_testing.h"

namespace autotp::plan {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

config::TensorParallelRequest WithPreset(const std::string& name) {
  config::TensorParallelRequest request = AtSize(2);
  request.preset_model = {name, {"ds.json", "/preset_model", 2, 3}};
  return request;
}

// The action of the first rule that matches; "none".
std::string ActionOn(absl::string_view preset, const std::string& name) {
  const std::vector<Rule> rules = *PresetRules(preset);
  for (const Rule& rule : rules) {
    if (rule.patterns[0].Matches(name)) {
      return std::string(ActionName(rule.action));
    }
  }
  return "none";
}

TEST(PresetsTest, AreTheSevenOfDeepSpeed) {
  EXPECT_THAT(PresetNames(), ElementsAre("bloom", "chatglm", "deepseek_v2",
                                         "llama", "mixtral", "phi3", "qwen2"));
  for (absl::string_view name : PresetNames()) {
    EXPECT_TRUE(PresetRules(name).has_value()) << name;
  }
  EXPECT_TRUE(PresetRules("LLaMA").has_value());
  EXPECT_TRUE(PresetRules("DeepSeek_V2").has_value());
  for (const char* name : {"qwen3", "gpt2", "llama_gqa", ""}) {
    EXPECT_FALSE(PresetRules(name).has_value()) << name;
  }
}

TEST(PresetsTest, RulesOfTheReference) {
  struct Case {
    std::string presets;  // with commas
    std::string module;
    std::string action;
  };
  for (const Case& c : std::vector<Case>{
           {"llama,qwen2,mixtral,deepseek_v2,phi3", "self_attn.o_proj", "row"},
           {"llama,qwen2,mixtral", "self_attn.q_proj", "column"},
           {"llama,qwen2,mixtral", "self_attn.k_proj", "column"},
           {"llama,qwen2,mixtral", "self_attn.v_proj", "column"},
           {"llama,qwen2,phi3", "mlp.down_proj", "row"},
           {"llama,qwen2", "mlp.up_proj", "column"},
           {"llama,qwen2", "mlp.gate_proj", "column"},
           {"llama,qwen2", "mlp.gate", "none"},
           {"bloom,chatglm", "self_attention.dense", "row"},
           {"bloom,chatglm", "mlp.dense_4h_to_h", "row"},
           {"bloom,chatglm", "self_attention.query_key_value", "column"},
           {"bloom,chatglm", "mlp.dense_h_to_4h", "column"},
           {"mixtral", "block_sparse_moe.experts.7.w2", "row"},
           {"mixtral", "block_sparse_moe.experts.7.w1", "column"},
           {"mixtral", "block_sparse_moe.experts.7.w3", "column"},
           {"mixtral", "block_sparse_moe.gate", "whole"},
           {"mixtral", "block_sparse_moe.experts.x.w3", "none"},
           {"deepseek_v2", "self_attn.q_a_proj", "whole"},
           {"deepseek_v2", "self_attn.kv_a_proj_with_mqa", "whole"},
           {"deepseek_v2", "self_attn.q_b_proj", "column"},
           {"deepseek_v2", "self_attn.kv_b_proj", "column"},
           {"deepseek_v2", "mlp.experts.12.down_proj", "row"},
           {"deepseek_v2", "mlp.experts.12.up_proj", "column"},
           {"deepseek_v2", "mlp.shared_experts.gate_proj", "column"},
           {"deepseek_v2", "mlp.gate", "whole"},
           // Ours, which DeepSpeed's lacks.
           {"deepseek_v2", "self_attn.q_proj", "column"},
           {"deepseek_v2", "mlp.down_proj", "row"},
           {"deepseek_v2", "mlp.gate_proj", "column"},
           {"phi3", "self_attn.qkv_proj", "column"},
           {"phi3", "mlp.gate_up_proj", "column"},
           {"llama,bloom,phi3", "lm_head", "none"}}) {
    for (const absl::string_view preset : absl::StrSplit(c.presets, ',')) {
      const std::string name = absl::StrCat("model.layers.3.", c.module);
      EXPECT_EQ(ActionOn(preset, absl::StrCat(name, ".weight")), c.action)
          << preset << " " << c.module;
      // Only weights, only whole names, and never at the root.
      EXPECT_EQ(ActionOn(preset, absl::StrCat(name, ".bias")), "none");
      EXPECT_EQ(ActionOn(preset, absl::StrCat(name, ".weights")), "none");
      EXPECT_EQ(ActionOn(preset, absl::StrCat(c.module, ".weight")), "none");
    }
  }
}

TEST(PresetsTest, GroupedQueryWeightsAreCutByTheirRealBlocks) {
  const Placed placed =
      PlaceAll(WithPreset("phi3"), TinyLlama(/*tied=*/false, /*fused=*/true),
               {"phi3", {}});
  EXPECT_FALSE(placed.diagnostics.has_error());
  EXPECT_EQ(placed.How("model.layers.0.self_attn.qkv_proj.weight"), "column");
  // Of the two fused weights only qkv is cut otherwise than by DeepSpeed.
  std::vector<std::string> differences;
  for (const v1::Diagnostic& diagnostic : placed.diagnostics.all()) {
    if (diagnostic.reason() == "PRESET_DIFFERS") {
      differences.push_back(diagnostic.message());
      EXPECT_EQ(diagnostic.json_pointer(), "/preset_model");
    }
  }
  EXPECT_THAT(differences,
              ElementsAre(AllOf(HasSubstr("qkv_proj.weight [16, 8]"),
                                HasSubstr("each of its blocks 8 + 4 + 4"),
                                HasSubstr("as 3 equal blocks"))));
}

TEST(PresetsTest, NothingIsSaidWhereOursIsTheSame) {
  EXPECT_THAT(PlaceAll(WithPreset("llama")).Reasons(),
              Not(Contains("PRESET_DIFFERS")));
}

}  // namespace
}  // namespace autotp::plan
