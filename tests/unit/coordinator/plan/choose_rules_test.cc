#include "coordinator/plan/choose_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/plan/presets.h"
#include "tests/unit/coordinator/plan/plan_testing.h"

namespace autotp::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kColumn = config::PartitionType::kColumn;

TEST(ChooseRulesTest, TheFirstSourceWins) {
  const ModelFacts own = {
      "llama", {{"layers.*.mlp.up_proj", "colwise"}}, "config.json"};
  config::TensorParallelRequest request = WithSpecs({Spec("x", kColumn)});
  request.preset_model = {"llama", {}};
  config::Diagnostics diagnostics;

  RuleSet rules = ChooseRules(request, own, &diagnostics);
  EXPECT_EQ(rules.source, v1::RULE_SOURCE_PARTITION_CONFIG);
  EXPECT_EQ(rules.rules.size(), 5u);  // ours, then the preset's four
  EXPECT_EQ(rules.detail,
            "partition_config, then preset llama; not used: tp_plan of "
            "config.json");

  request.partition_config->use_default_specs = false;
  rules = ChooseRules(request, own, &diagnostics);
  EXPECT_EQ(rules.rules.size(), 1u);
  EXPECT_EQ(rules.detail,
            "partition_config; not used: preset llama, tp_plan of "
            "config.json");

  request.partition_config.reset();
  rules = ChooseRules(request, own, &diagnostics);
  EXPECT_EQ(rules.source, v1::RULE_SOURCE_PRESET_MODEL);

  request.preset_model.reset();
  rules = ChooseRules(request, own, &diagnostics);
  EXPECT_EQ(rules.source, v1::RULE_SOURCE_TP_PLAN);
  EXPECT_EQ(rules.rules.size(), 1u);

  rules = ChooseRules(request, {"llama", {}, ""}, &diagnostics);
  EXPECT_EQ(rules.detail, "tp_plan of llama");
  EXPECT_EQ(rules.rules.size(), 9u);

  rules = ChooseRules(request, {"stablelm", {}, ""}, &diagnostics);
  EXPECT_EQ(rules.source, v1::RULE_SOURCE_HEURISTICS);

  request.size = 1;
  rules = ChooseRules(request, own, &diagnostics);
  EXPECT_EQ(rules.source, v1::RULE_SOURCE_NONE);
  EXPECT_FALSE(diagnostics.has_error());
}

TEST(ChooseRulesTest, PresetsOfDeepSpeed) {
  EXPECT_THAT(PresetNames(), ElementsAre("bloom", "chatglm", "deepseek_v2",
                                         "llama", "mixtral", "phi3", "qwen2"));
  for (absl::string_view name : PresetNames()) {
    EXPECT_TRUE(PresetRules(name).has_value()) << name;
  }
  EXPECT_TRUE(PresetRules("LLaMA").has_value());
  EXPECT_FALSE(PresetRules("qwen3").has_value());
}

TEST(ChooseRulesTest, UnknownPresetIsAnErrorWithTheNearest) {
  config::TensorParallelRequest request = AtSize(2);
  request.preset_model = {"lama", {"ds.json", "/tensor_parallel", 3, 4}};
  const Placed placed = PlaceAll(request);
  ASSERT_TRUE(placed.diagnostics.has_error());
  const v1::Diagnostic& diagnostic = placed.diagnostics.all()[0];
  EXPECT_EQ(diagnostic.reason(), "UNKNOWN_PRESET");
  EXPECT_EQ(diagnostic.line(), 3);
  EXPECT_EQ(diagnostic.suggestion(), "write \"llama\"");
  EXPECT_THAT(diagnostic.message(),
              HasSubstr("bloom, chatglm, deepseek_v2, llama, mixtral, phi3, "
                        "qwen2"));
}

TEST(ChooseRulesTest, BadPatternsNameTheirConstruct) {
  const Placed placed =
      PlaceAll(WithSpecs({Spec("a(?=b)", kColumn), Spec(".*q_proj", kColumn)}));
  EXPECT_EQ(placed.diagnostics.all()[0].reason(), "PATTERN_INVALID");
  EXPECT_EQ(placed.diagnostics.all()[0].json_pointer(), "/pattern");
  EXPECT_THAT(placed.diagnostics.all()[0].message(), HasSubstr("look-ahead"));
}

TEST(ChooseRulesTest, StylesOfTpPlans) {
  struct Case {
    std::string style;
    std::string how;  // of k_proj
    std::string reason;
  };
  for (const Case& c :
       std::vector<Case>{{"colwise", "column", ""},
                         {"colwise_rep", "column", ""},
                         {"COLWISE_GATHER_OUTPUT", "column", ""},
                         {"rowwise", "row", ""},
                         {"rowwise_split_input", "row", ""},
                         {"replicated_with_grad_allreduce", "whole", ""},
                         {"grouped_gemm", "", "TP_PLAN_STYLE_NOT_SUPPORTED"},
                         {"ep_router", "", "TP_PLAN_STYLE_NOT_SUPPORTED"},
                         {"colwyse", "", "TP_PLAN_STYLE_UNKNOWN"}}) {
    const Placed placed =
        PlaceAll(AtSize(2), TinyLlama(),
                 {"llama", {{"layers.*.self_attn.k_proj", c.style}}, "c.json"});
    if (c.reason.empty()) {
      EXPECT_EQ(placed.How("model.layers.0.self_attn.k_proj.weight"), c.how)
          << c.style;
      continue;
    }
    ASSERT_TRUE(placed.diagnostics.has_error()) << c.style;
    const v1::Diagnostic& diagnostic = placed.diagnostics.all()[0];
    EXPECT_EQ(diagnostic.reason(), c.reason);
    EXPECT_EQ(diagnostic.file(), "c.json");
    EXPECT_EQ(diagnostic.json_pointer(),
              "/base_model_tp_plan/layers.*.self_attn.k_proj");
  }
}

TEST(ChooseRulesTest, PlanPatternsKeepWholeNames) {
  const Placed placed =
      PlaceAll(AtSize(2), TinyLlama(), {"llama", {{"proj", "colwise"}}, ""});
  EXPECT_EQ(placed.How("model.layers.0.self_attn.k_proj.weight"), "whole");
}

}  // namespace
}  // namespace autotp::plan
