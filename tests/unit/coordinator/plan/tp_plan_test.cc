// Plans of Hugging Face: merging, patterns, styles, and the table of families.
#include "coordinator/plan/tp_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "coordinator/plan/tp_style.h"
#include "tests/unit/coordinator/plan/plan_testing.h"

namespace autotp::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> Merged(const std::vector<PlacedTpPlan>& plans) {
  std::vector<std::string> texts;
  for (const TpPlanEntry& entry : MergeTpPlans(plans)) {
    texts.push_back(absl::StrCat(entry.module, " ", entry.style, " ",
                                 entry.place.json_pointer));
  }
  return texts;
}

TEST(TpPlanTest, Merging) {
  const config::SourcePlace first{"c.json", "/a"};
  const config::SourcePlace second{"c.json", "/b"};
  EXPECT_THAT(Merged({}), IsEmpty());
  // The same module later takes the later style, in its old place.
  EXPECT_THAT(
      Merged({{first, {{"x", "colwise"}, {"y", "rowwise"}}},
              {second, {{"x", "rowwise"}, {"z", "colwise"}}}}),
      ElementsAre("x rowwise /b/x", "y rowwise /a/y", "z colwise /b/z"));
  // "model.X" is dropped where X is there already, not the other way round.
  EXPECT_THAT(
      Merged({{first, {{"x", "colwise"}}}, {second, {{"model.x", "rowwise"}}}}),
      ElementsAre("x colwise /a/x"));
  EXPECT_THAT(
      Merged({{first, {{"model.x", "rowwise"}}}, {second, {{"x", "colwise"}}}}),
      ElementsAre("model.x rowwise /a/model.x", "x colwise /b/x"));
  // A weight by name comes before its module.
  EXPECT_THAT(Merged({{first, {{"x", "colwise"}, {"x.weight", "rowwise"}}}}),
              ElementsAre("x.weight rowwise /a/x.weight", "x colwise /a/x"));
}

// Whether the plan's only entry matches the name.
bool Matches(const std::string& module, const std::string& name) {
  config::Diagnostics diagnostics;
  const std::vector<Rule> rules = TpPlanRules(
      MergeTpPlans({{{}, {{module, "colwise"}}}}), "plan", true, &diagnostics);
  EXPECT_EQ(rules.size(), 1u);
  return !rules.empty() && rules[0].patterns[0].Matches(name);
}

TEST(TpPlanTest, Patterns) {
  struct Case {
    std::string module;
    std::string name;
    bool matches;
  };
  for (const Case& c : std::vector<Case>{
           {"layers.*.q_proj", "layers.0.q_proj.weight", true},
           {"layers.*.q_proj", "model.layers.17.q_proj.weight", true},
           {"layers.*.q_proj", "layers.0.q_proj.bias", false},
           {"layers.*.q_proj", "layers.0.q_projs.weight", false},
           {"layers.*.q_proj", "layers.0.q_proj.weight.x", false},
           // As in DeepSpeed a star crosses dots.
           {"layers.*.q_proj", "layers.0.self_attn.q_proj.weight", true},
           {"*.q_proj", "layers.0.self_attn.q_proj.weight", true},
           // Unlike DeepSpeed, a pattern begins at a whole name.
           {"lm_head", "lm_head.weight", true},
           {"lm_head", "my_lm_head.weight", false},
           {"lm_head", "text.lm_head.weight", true},
           // A dot is a dot, and nothing else is an expression.
           {"a.b", "axb.weight", false},
           {"a+", "aa.weight", false},
           {"a+", "a+.weight", true},
           {"lm_head.weight", "lm_head.weight", true},
           {"lm_head.weight", "lm_head.weight.weight", false},
           // The base model's prefix may be there or not, on both sides.
           {"model.layers.*.x", "model.layers.0.x.weight", true},
           {"model.layers.*.x", "layers.0.x.weight", true},
           {"gpt_neox.layers.*.x", "gpt_neox.layers.0.x.weight", true},
           // Experts: all in one tensor in the library, single in checkpoints.
           {"layers.*.mlp.experts.gate_up_proj",
            "model.layers.0.mlp.experts.5.gate_proj.weight", true},
           {"layers.*.mlp.experts.gate_up_proj",
            "model.layers.0.mlp.experts.5.up_proj.weight", true},
           {"layers.*.mlp.experts.gate_up_proj",
            "model.layers.0.mlp.experts.5.down_proj.weight", false},
           {"layers.*.mlp.experts.gate_up_proj",
            "model.layers.0.block_sparse_moe.experts.5.w3.weight", true},
           {"layers.*.mlp.experts.down_proj",
            "model.layers.0.block_sparse_moe.experts.5.w2.weight", true},
           {"layers.*.mlp.experts.down_proj",
            "model.layers.0.mlp.experts.5.down_proj.weight", true},
           {"layers.*.mlp.experts.*.down_proj",
            "model.layers.0.mlp.experts.5.down_proj.weight", true},
           {"layers.*.mlp.down_proj",
            "model.layers.0.mlp.experts.5.down_proj.weight", false}}) {
    EXPECT_EQ(Matches(c.module, c.name), c.matches)
        << c.module << " on " << c.name;
  }
}

TEST(TpPlanTest, Styles) {
  struct Case {
    std::string styles;  // with commas
    std::string how;     // of k_proj; "open": no rule
    std::string reason;
  };
  constexpr char kRefused[] = "TP_PLAN_STYLE_NOT_SUPPORTED";
  for (const Case& c : std::vector<Case>{
           {"colwise,colwise_rep,COLWISE_GATHER_OUTPUT,colwise_allgather,"
            "colwise_loss_parallel,colwise_replicate_kv,local_colwise,"
            "packed_colwise,packed_rowwise,local_packed_rowwise,"
            "moe_tp_gate_up_colwise",
            "column", ""},
           {"rowwise,rowwise_rep,rowwise_split_input,rowwise_allreduce,"
            "rowwise_reduce_scatter,local_rowwise,moe_tp_down_rowwise",
            "row", ""},
           {"embedding_rowwise,vocab_allreduce,vocab_reduce_scatter", "column",
            ""},
           {"replicate,replicated,replicated_with_grad_allreduce,"
            "mla_kv_a_proj,sequence_parallel,activation,activation_seq_dim_2",
            "whole", ""},
           {"all_reduce,gather,local,isolated,module_allgather,"
            "module_allgather_hidden_states,module_allgather_split,"
            "moe_tp_experts,moe_experts_allreduce,moe_identity_expert",
            "whole", ""},
           {"grouped_gemm,ep_router", "", kRefused},
           {"megamoe_router,megamoe_experts", "", kRefused},
           {"embedding_colwise", "", kRefused},
           {"colwyse,column,", "", "TP_PLAN_STYLE_UNKNOWN"}}) {
    for (const absl::string_view style : absl::StrSplit(c.styles, ',')) {
      const Placed placed = PlaceAll(
          AtSize(2), TinyLlama(),
          WithPlan({{"layers.*.self_attn.k_proj", std::string(style)}}));
      if (c.reason.empty()) {
        EXPECT_EQ(placed.How("model.layers.0.self_attn.k_proj.weight"), c.how)
            << style;
        EXPECT_FALSE(placed.diagnostics.has_error()) << style;
        continue;
      }
      const v1::Diagnostic diagnostic = placed.First(c.reason);
      EXPECT_THAT(diagnostic.message(),
                  HasSubstr(absl::StrCat("\"", style,
                                         "\" of layers.*.self_attn.k_proj")));
      EXPECT_NE(diagnostic.suggestion(), "") << style;
      EXPECT_EQ(diagnostic.file(), "c.json");
      EXPECT_EQ(diagnostic.json_pointer(),
                "/base_model_tp_plan/layers.*.self_attn.k_proj");
    }
  }
}

TEST(TpPlanTest, AllErrorsOfAPlanComeAtOnce) {
  const Placed placed =
      PlaceAll(AtSize(2), TinyLlama(),
               WithPlan({{"layers.*.mlp.experts", "grouped_gemm"},
                         {"layers.*.mlp.router", "ep_router"},
                         {"layers.*.mlp.up_proj", "colwis"}}));
  EXPECT_EQ(placed.diagnostics.errors(), 3);
  EXPECT_THAT(placed.First("TP_PLAN_STYLE_NOT_SUPPORTED").message(),
              HasSubstr("expert parallelism"));
  EXPECT_EQ(placed.First("TP_PLAN_STYLE_UNKNOWN").suggestion(),
            "write \"colwise\"");
}

TEST(TpPlanTest, EntriesOfAnOwnPlanThatMatchNothingAreReported) {
  const Placed own = PlaceAll(AtSize(2), TinyLlama(),
                              WithPlan({{"layers.*.mlp.up_proj", "colwise"},
                                        {"layers.*.nothing", "colwise"}}));
  EXPECT_EQ(own.First("RULE_MATCHES_NOTHING").json_pointer(),
            "/base_model_tp_plan/layers.*.nothing");
  EXPECT_THAT(PlaceAll(AtSize(2)).Reasons(),
              Not(Contains("RULE_MATCHES_NOTHING")));
}

// An imported model brings its plan along, with both names of a tied weight.
TEST(TpPlanTest, TheSecondNameOfATiedWeightIsNoFault) {
  const Placed own =
      PlaceAll(AtSize(2), TinyLlama(/*tied=*/true),
               WithPlan({{"lm_head", "colwise_gather_output"},
                         {"model.embed_tokens", "embedding_rowwise"},
                         {"layers.*.mlp.up_proj", "colwise"}}));
  EXPECT_THAT(own.Reasons(), Not(Contains("RULE_MATCHES_NOTHING")));
  EXPECT_EQ(own.How("model.embed_tokens.weight"), "column");
}

TEST(TpPlanTest, FalseKeepsTheVocabularyWholeAgainstAPlan) {
  config::TensorParallelRequest request = AtSize(2);
  request.vocabulary_parallel = config::VocabularyParallel::kNever;
  const Placed placed = PlaceAll(request);
  EXPECT_EQ(placed.How("lm_head.weight"), "whole");
  EXPECT_EQ(placed.How("model.embed_tokens.weight"), "whole");
  EXPECT_EQ(placed.How("model.layers.0.mlp.up_proj.weight"), "column");
}

// The table of families: an entry of each kind, by model_type.
TEST(TpPlanTest, PlansOfTheFamilies) {
  struct Case {
    std::string types;  // with commas
    std::string module;
    std::string style;  // "": none
  };
  for (const Case& c : std::vector<Case>{
           {"llama,mistral,ministral,ministral3,qwen2,gemma,gemma2,granite,"
            "smollm3,cohere,cohere2,olmo,helium,ernie4_5,seed_oss,qwen3,"
            "gemma3_text,exaone4,glm,glm4,starcoder2,arcee,apertus,mixtral,"
            "minimax,qwen2_moe,qwen3_moe,glm4_moe,llama4_text,nanochat",
            "self_attn.q_proj", "colwise"},
           {"llama,qwen3,glm,starcoder2,mixtral,deepseek_v2,deepseek_v3",
            "self_attn.o_proj", "rowwise"},
           {"llama,qwen2,gemma3_text,olmo2,qwen3_moe,deepseek_v3",
            "mlp.gate_proj", "colwise"},
           {"llama,olmo3,arcee,apertus,qwen2_moe,glm4_moe", "mlp.down_proj",
            "rowwise"},
           {"qwen3,gemma3_text,exaone4,apertus,qwen3_moe", "self_attn.q_norm",
            "replicated_with_grad_allreduce"},
           {"llama,mistral,olmo2", "self_attn.q_norm", ""},
           {"olmo2,olmo3,olmoe", "self_attn.v_proj", "colwise_gather_output"},
           {"olmo2,olmo3,olmoe,phi3", "self_attn.o_proj",
            "rowwise_split_input"},
           {"phi", "self_attn.dense", "rowwise"},
           {"phi,nanochat", "mlp.fc1", "colwise"},
           {"phi,nanochat", "mlp.fc2", "rowwise"},
           {"phi3", "self_attn.qkv_proj", "colwise_gather_output"},
           {"phi3,glm,glm4", "mlp.gate_up_proj", "colwise_gather_output"},
           {"phi3,glm,glm4", "mlp.down_proj", "rowwise_split_input"},
           {"starcoder2", "mlp.c_fc", "colwise"},
           {"starcoder2", "mlp.c_proj", "rowwise"},
           {"gpt_neox", "attention.query_key_value", "colwise"},
           {"gpt_neox", "mlp.dense_4h_to_h", "rowwise"},
           {"arcee,apertus", "mlp.gate_proj", ""},
           {"mixtral,minimax,qwen2_moe,qwen3_moe,olmoe,glm4_moe,deepseek_v2,"
            "deepseek_v3",
            "mlp.experts.gate_up_proj", "packed_colwise"},
           {"mixtral,deepseek_v3", "mlp.experts.down_proj", "rowwise"},
           {"mixtral,deepseek_v3", "mlp.experts", "moe_tp_experts"},
           {"glm4_moe,deepseek_v2,deepseek_v3", "mlp.shared_experts.up_proj",
            "colwise"},
           {"deepseek_v2,deepseek_v3", "self_attn.kv_b_proj", "colwise"},
           {"deepseek_v2", "self_attn.kv_a_proj_with_mqa", "mla_kv_a_proj"},
           {"llama4_text", "feed_forward.shared_expert.up_proj", "colwise"},
           {"granite_swa,mimo_v2_flash", "self_attn.sinks", "colwise"},
           {"stablelm,gpt2,opt,bloom,falcon,internlm2,chatglm,gptj,gpt_oss,"
            "phimoe,bamba,mpt",
            "self_attn.q_proj", ""}}) {
    for (const absl::string_view type : absl::StrSplit(c.types, ',')) {
      std::string style;
      for (const auto& [module, found] : BuiltInTpPlan(type)) {
        if (module == absl::StrCat("layers.*.", c.module)) style = found;
      }
      EXPECT_EQ(style, c.style) << type << " " << c.module;
    }
  }
}

TEST(TpPlanTest, EveryPlanOfTheTableIsMadeOfKnownStyles) {
  EXPECT_GE(TpPlanModelTypes().size(), 50u);
  for (const absl::string_view type : TpPlanModelTypes()) {
    config::Diagnostics diagnostics;
    const std::vector<Rule> rules =
        TpPlanRules(MergeTpPlans({{{}, BuiltInTpPlan(type)}}),
                    std::string(type), false, &diagnostics);
    EXPECT_FALSE(diagnostics.has_error()) << type;
    EXPECT_GE(rules.size(), 6u) << type;
  }
}

}  // namespace
}  // namespace autotp::plan
