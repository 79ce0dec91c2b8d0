// Goal: the views of a plan say what it is, within 110 columns, for sizes that
// divide and for those that don't.
// Method: plans of generated models, made by the planner itself; every text is
// kept in tests/golden/plans.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/plan_diff.h"
#include "client/cli/plan_explain.h"
#include "client/cli/plan_view.h"
#include "client/cli/tune_text.h"
#include "tests/support/golden.h"
#include "tests/unit/client/cli/plan_answers.h"

namespace autotp::cli {
namespace {

using ::testing::HasSubstr;

nlohmann::json Config(int tensor_parallel_size,
                      const nlohmann::json& changes = {}) {
  nlohmann::json config = {
      {"train_batch_size", 16},
      {"train_micro_batch_size_per_gpu", 1},
      {"optimizer", {{"type", "AdamW"}, {"params", {{"lr", 1e-4}}}}},
      {"tensor_parallel", {{"autotp_size", tensor_parallel_size}}}};
  if (!changes.is_null()) config.merge_patch(changes);
  return config;
}

// A digest changes with the program; the rest of a view must not.
void ExpectView(const std::string& name, const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n'))
    EXPECT_LE(line.size(), 120u) << name << ": " << line;
  testing::ExpectGolden(absl::StrCat("plans/", name, ".txt"), text);
}

struct Case {
  std::string name;
  PlanQuestion question;
};

std::vector<Case> Cases() {
  const nlohmann::json bf16 = {{"bf16", {{"enabled", true}}},
                               {"zero_optimization", {{"stage", 1}}}};
  const nlohmann::json narrow = {
      {"tensor_parallel",
       {{"partition_config",
         {{"use_default_specs", false},
          {"layer_specs",
           {{{"patterns", {".*(gate|up)_proj.weight"}},
             {"partition_type", "column"}},
            {{"patterns", {".*down_proj.weight"}},
             {"partition_type", "row"}}}}}}}}};
  return {
      {"llama_8b_tp4", {Llama8B(), Config(4, bf16), 8}},
      {"llama_8b_tp6_uneven", {Llama8B(), Config(6, bf16), 6}},
      {"llama_405b_tp16_few_heads", {Llama405B(), Config(16, bf16), 32}},
      {"tiny_tp1", {TinyLlama(), Config(1), 1, 64}},
      {"tiny_tp3_uneven", {TinyLlama(), Config(3), 3, 64}},
      {"tiny_tp4_tied",
       {TinyLlama({{"tie_word_embeddings", true}}), Config(4), 4, 64}},
      {"tiny_tp4_zero_width",
       {TinyLlama({{"intermediate_size", 3}}), Config(4, narrow), 4, 64}},
  };
}

TEST(PlanGoldenTest, Plans) {
  for (const Case& one : Cases()) {
    const v1::ValidateJobResponse answer = Answer(one.question);
    ASSERT_TRUE(answer.valid()) << one.name;
    ExpectView(one.name, PlanText(answer, {}));
  }
}

TEST(PlanGoldenTest, Explanations) {
  for (const auto& [index, parameter, file] :
       std::vector<std::tuple<int, std::string, std::string>>{
           {0, "model.layers.3.self_attn.q_proj.weight", "explain_q_proj"},
           {2, "model.layers.7.self_attn.k_proj.weight", "explain_few_heads"},
           {4, "lm_head.weight", "explain_uneven_head"},
           {6, "model.layers.1.mlp.down_proj.weight", "explain_zero_width"}}) {
    const v1::ValidateJobResponse answer = Answer(Cases()[index].question);
    const auto explanation = Explain(answer.plan(), parameter);
    ASSERT_TRUE(explanation.ok()) << explanation.status();
    ExpectView(file, ExplanationText(*explanation, {}));
    const auto json = ExplanationJson(*explanation);
    EXPECT_EQ(json["parameter"]["name"], parameter);
  }
}

TEST(PlanGoldenTest, UnknownAndAmbiguousNamesAreRefusedWithThoseThatAreNear) {
  const v1::Plan plan = Answer(Cases()[4].question).plan();
  EXPECT_THAT(std::string(Explain(plan, "q_proj.weight").status().message()),
              HasSubstr("model.layers.0.self_attn.q_proj.weight"));
  EXPECT_THAT(std::string(Explain(plan, "nothing").status().message()),
              HasSubstr("no such parameter"));
  EXPECT_TRUE(Explain(plan, "embed_tokens.weight").ok());
}

TEST(PlanGoldenTest, Differences) {
  const auto four = PlanJson(Answer(Cases()[0].question));
  const auto six = PlanJson(Answer(Cases()[1].question));
  const auto same = Differences(four, four);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(DifferencesText(*same, {}), "the plans are equal\n");
  EXPECT_EQ(DifferencesJson(*same)["equal"], true);
  const auto differences = Differences(four, six);
  ASSERT_TRUE(differences.ok()) << differences.status();
  ExpectView("diff_tp4_tp6", DifferencesText(*differences, {}));
  EXPECT_EQ(DifferencesJson(*differences)["equal"], false);
}

TEST(PlanGoldenTest, WhatIsNoPlanIsRefused) {
  const auto plan = PlanJson(Answer(Cases()[3].question));
  for (const char* text : {"[]", "{}", "null", R"({"parameters": 3})"}) {
    EXPECT_FALSE(Differences(nlohmann::ordered_json::parse(text), plan).ok())
        << text;
  }
  // Lists of the wrong things are compared, not trusted.
  const auto odd = nlohmann::ordered_json::parse(
      R"({"parameters": [1, {"local_shapes": 3}], "classes": ["x"],
          "collectives": [null], "estimate": []})");
  EXPECT_TRUE(Differences(odd, plan).ok());
}

TEST(TuneFlagsTest, AssumptionsAreReadOrRefused) {
  const auto request = ToTuneRequest(
      {.autotune = true, .memory_limit = 80, .assumed = {"flops=1e12"}});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->memory_limit_bytes(), int64_t{80} << 30);
  EXPECT_EQ(request->cost().flops_per_second(), 1e12);
  for (const char* wrong :
       {"flops", "flops=", "flops=x", "flops=-1", "flop=1", "flops=inf"}) {
    const auto refused = ToTuneRequest({.autotune = true, .assumed = {wrong}});
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_THAT(std::string(refused.status().message()),
                HasSubstr("tensor-bandwidth"));
  }
}

}  // namespace
}  // namespace autotp::cli
