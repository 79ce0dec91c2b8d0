#include "coordinator/plan/choose_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/plan/plan_testing.h"

namespace autotp::plan {
namespace {

using ::testing::HasSubstr;

constexpr auto kColumn = config::PartitionType::kColumn;

TEST(ChooseRulesTest, TheFirstSourceWins) {
  const ModelFacts own = WithPlan({{"layers.*.mlp.up_proj", "colwise"}});
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

  rules = ChooseRules(request, {"llama", {}}, &diagnostics);
  EXPECT_EQ(rules.detail, "tp_plan of llama");
  EXPECT_EQ(rules.rules.size(), 9u);

  rules = ChooseRules(request, {"stablelm", {}}, &diagnostics);
  EXPECT_EQ(rules.source, v1::RULE_SOURCE_HEURISTICS);

  request.size = 1;
  rules = ChooseRules(request, own, &diagnostics);
  EXPECT_EQ(rules.source, v1::RULE_SOURCE_NONE);
  EXPECT_FALSE(diagnostics.has_error());
}

// Every row of the merge table. "unknown" is an error here, whatever else is
// given; DeepSpeed goes on without it.
TEST(ChooseRulesTest, PresetAndPartitionConfigMerge) {
  enum class Config { kAbsent, kNoSpecs, kGiven };
  struct Case {
    std::string preset;  // "": absent
    Config config;
    bool use_default_specs;
    std::string detail;  // without what is not used
    size_t rules;
    bool error = false;
  };
  for (const Case& c : std::vector<Case>{
           {"llama", Config::kAbsent, true, "preset llama", 4},
           {"lama", Config::kAbsent, true, "preset", 0, true},
           {"", Config::kGiven, true, "partition_config", 1},
           {"", Config::kGiven, false, "partition_config", 1},
           {"llama", Config::kGiven, true,
            "partition_config, then preset llama", 5},
           {"llama", Config::kGiven, false, "partition_config", 1},
           {"lama", Config::kGiven, true, "partition_config", 1, true},
           {"", Config::kNoSpecs, true, "partition_config", 0},
           {"llama", Config::kNoSpecs, true,
            "partition_config, then preset llama", 4}}) {
    config::TensorParallelRequest request = AtSize(2);
    if (!c.preset.empty()) request.preset_model = {c.preset, {}};
    if (c.config != Config::kAbsent) {
      request.partition_config.emplace();
      request.partition_config->use_default_specs = c.use_default_specs;
      if (c.config == Config::kGiven) {
        request.partition_config->specs = {Spec("x", kColumn)};
      }
    }
    config::Diagnostics diagnostics;
    const RuleSet rules = ChooseRules(request, {"none", {}}, &diagnostics);
    const std::string text = absl::StrCat(c.preset, " -> ", rules.detail);
    EXPECT_EQ(rules.detail.substr(0, rules.detail.find(';')), c.detail) << text;
    EXPECT_EQ(rules.rules.size(), c.rules) << text;
    EXPECT_EQ(diagnostics.has_error(), c.error) << text;
  }
}

TEST(ChooseRulesTest, SourcesThatArePassedOverAreNoted) {
  config::TensorParallelRequest request = AtSize(2);
  request.preset_model = {"bloom", {"ds.json", "/preset", 1, 1}};
  const Placed placed = PlaceAll(request);
  EXPECT_EQ(placed.First("RULE_SOURCE").message(),
            "the rules are those of preset bloom; there is also, and is not "
            "used: tp_plan of llama");
  EXPECT_EQ(placed.First("RULE_SOURCE").json_pointer(), "/preset");
  EXPECT_EQ(PlaceAll(AtSize(2)).First("RULE_SOURCE").message(), "");
}

TEST(ChooseRulesTest, FlagsThatAreNotNeededAreNoted) {
  config::LayerSpec spec = Spec(".*q_proj", kColumn);
  spec.gather_output = true;
  spec.grad_allreduce = true;
  spec.shape = {int64_t{1}, int64_t{-1}};  // refused by DeepSpeed with a gather
  const Placed placed = PlaceAll(WithSpecs({spec}));
  EXPECT_FALSE(placed.diagnostics.has_error());
  EXPECT_NE(placed.First("GATHER_OUTPUT_NOT_NEEDED").message(), "");
  EXPECT_NE(placed.First("GRAD_ALLREDUCE_NOT_NEEDED").message(), "");
}

TEST(ChooseRulesTest, UnknownPresetIsAnErrorWithTheNearest) {
  config::TensorParallelRequest request = AtSize(2);
  request.preset_model = {"lama", {"ds.json", "/tensor_parallel", 3, 4}};
  const Placed placed = PlaceAll(request);
  ASSERT_TRUE(placed.diagnostics.has_error());
  const v1::Diagnostic diagnostic = placed.First("UNKNOWN_PRESET");
  EXPECT_EQ(diagnostic.line(), 3);
  EXPECT_EQ(diagnostic.suggestion(), "write \"llama\"");
  EXPECT_THAT(diagnostic.message(),
              HasSubstr("bloom, chatglm, deepseek_v2, llama, mixtral, phi3, "
                        "qwen2"));
}

TEST(ChooseRulesTest, BadPatternsNameTheirConstruct) {
  const Placed placed =
      PlaceAll(WithSpecs({Spec("a(?=b)", kColumn), Spec(".*q_proj", kColumn)}));
  EXPECT_EQ(placed.First("PATTERN_INVALID").json_pointer(), "/pattern");
  EXPECT_THAT(placed.First("PATTERN_INVALID").message(),
              HasSubstr("look-ahead"));
}

}  // namespace
}  // namespace autotp::plan
