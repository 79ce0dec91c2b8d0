// Families with experts: what their layers are, and how expert weights are
// found, apart or fused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "coordinator/model/huggingface/fused_experts.h"
#include "tests/support/golden.h"
#include "tests/unit/coordinator/model/tiny_folder.h"

namespace autotp::model {
namespace {

using program::Operation;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

nlohmann::json TinyMixtral() {
  nlohmann::json config = TinyLlamaConfig();
  config["model_type"] = "mixtral";
  config["num_local_experts"] = 3;
  config["num_experts_per_tok"] = 2;
  return config;
}

nlohmann::json TinyQwen(const char* type) {
  nlohmann::json config = TinyLlamaConfig();
  config["model_type"] = type;
  config["num_hidden_layers"] = 4;
  config["num_experts"] = 3;
  config["num_experts_per_tok"] = 2;
  config["moe_intermediate_size"] = 6;
  config["shared_expert_intermediate_size"] = 10;
  return config;
}

nlohmann::json TinyDeepseek() {
  nlohmann::json config = TinyQwen("deepseek_v3");
  config.erase("num_experts");
  config.update({{"num_hidden_layers", 2},
                 {"num_key_value_heads", 4},
                 {"n_routed_experts", 4},
                 {"n_group", 2},
                 {"topk_group", 1},
                 {"n_shared_experts", 2},
                 {"first_k_dense_replace", 1},
                 {"q_lora_rank", 6},
                 {"kv_lora_rank", 5},
                 {"qk_nope_head_dim", 3},
                 {"qk_rope_head_dim", 2},
                 {"v_head_dim", 7}});
  return config;
}

const program::Parameter* Find(const program::Program& program,
                               const std::string& name) {
  for (const program::Parameter& parameter : program.parameters)
    if (parameter.name == name) return &parameter;
  return nullptr;
}

const program::Node* FindNode(const program::Program& program,
                              Operation operation) {
  for (const program::Node& node : program.nodes)
    if (node.operation == operation) return &node;
  return nullptr;
}

int64_t Count(const program::Program& program, Operation operation) {
  return std::count_if(
      program.nodes.begin(), program.nodes.end(),
      [&](const program::Node& node) { return node.operation == operation; });
}

program::Program Load(const nlohmann::json& config) {
  absl::StatusOr<LoadedModel> model = TinyFolder(config).Load(false);
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? std::move(model)->program : program::Program{};
}

std::string Error(const nlohmann::json& config) {
  return std::string(TinyFolder(config).Load(false).status().message());
}

TEST(MixtureFamiliesTest, FixturesLoadAllTheirTensors) {
  for (const char* name : {"mixtral", "mixtral_balance", "qwen2_moe",
                           "qwen3_moe", "deepseek_v3", "deepseek_v3_yarn"}) {
    SCOPED_TRACE(name);
    const absl::StatusOr<LoadedModel> model =
        LoadModel({.path = autotp::testing::GoldenPath(std::string("models/") +
                                                       name + "/model"),
                   .micro_batch = 2,
                   .sequence_length = 32});
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_THAT(Warnings(*model), IsEmpty());
    EXPECT_TRUE(program::CheckProgram(model->program).ok());
    EXPECT_EQ(Count(model->program, Operation::kRouterLoss),
              std::string(name) == "mixtral_balance" ? 1 : 0);
  }
}

TEST(MixtureFamiliesTest, SparseLayersAreThoseThatTheConfigNames) {
  for (const char* type : {"qwen2_moe", "qwen3_moe"}) {
    nlohmann::json config = TinyQwen(type);
    EXPECT_EQ(Count(Load(config), Operation::kExperts), 4);
    config["decoder_sparse_step"] = 2;
    EXPECT_EQ(Count(Load(config), Operation::kExperts), 2);
    config["mlp_only_layers"] = {1};
    const program::Program program = Load(config);
    EXPECT_EQ(Count(program, Operation::kExperts), 1);
    EXPECT_NE(Find(program, "model.layers.1.mlp.gate_proj.weight"), nullptr);
    EXPECT_NE(Find(program, "model.layers.3.mlp.experts.2.up_proj.weight"),
              nullptr);
    EXPECT_EQ(Find(program, "model.layers.3.mlp.shared_expert_gate.weight") ==
                  nullptr,
              std::string(type) == "qwen3_moe");
  }
}

TEST(MixtureFamiliesTest, RoutersWeighAsTheirFamilyDoes) {
  nlohmann::json qwen = TinyQwen("qwen3_moe");
  const auto normalizes = [](const program::Program& program) {
    return FlagOf(*FindNode(program, Operation::kRouter), "normalize", false);
  };
  EXPECT_FALSE(normalizes(Load(qwen)));
  qwen["norm_topk_prob"] = true;
  EXPECT_TRUE(normalizes(Load(qwen)));
  EXPECT_TRUE(normalizes(Load(TinyMixtral())));

  const program::Program deepseek = Load(TinyDeepseek());
  const program::Node* router = FindNode(deepseek, Operation::kRouter);
  EXPECT_EQ(TextOf(*router, "scores"), "sigmoid");
  EXPECT_EQ(IntegerOf(*router, "groups"), 2);
  EXPECT_EQ(IntegerOf(*router, "top_groups"), 1);
  EXPECT_EQ(NumberOf(*router, "scale"), 2.5);
  EXPECT_TRUE(Find(deepseek, "model.layers.1.mlp.gate.e_score_correction_bias")
                  ->frozen);
  EXPECT_THAT(
      Find(deepseek, "model.layers.1.mlp.shared_experts.up_proj.weight")->shape,
      ElementsAre(12, 16));
}

TEST(MixtureFamiliesTest, TheBalanceCountsOnlyWhereTheConfigAsks) {
  nlohmann::json config = TinyMixtral();
  EXPECT_EQ(Count(Load(config), Operation::kRouterLoss), 0);
  config["output_router_logits"] = true;
  config["router_aux_loss_coef"] = 0.5;
  const program::Program program = Load(config);
  EXPECT_EQ(FindNode(program, Operation::kRouterLoss)->inputs.size(), 2u);
  EXPECT_EQ(NumberOf(*FindNode(program, Operation::kScale), "factor"), 0.5);
}

TEST(MixtureFamiliesTest, ImpossibleRoutersAreFindings) {
  nlohmann::json config = TinyMixtral();
  config["num_experts_per_tok"] = 4;
  EXPECT_THAT(Error(config), HasSubstr("there are 3 experts"));
  config = TinyDeepseek();
  config["n_group"] = 3;
  EXPECT_THAT(Error(config), HasSubstr("equal groups"));
  config = TinyDeepseek();
  config["num_key_value_heads"] = 2;
  EXPECT_THAT(Error(config), HasSubstr("key of its own"));
}

TEST(MixtureFamiliesTest, LatentAttentionHasWiderQueriesThanValues) {
  nlohmann::json config = TinyDeepseek();
  const program::Program program = Load(config);
  const program::Node* attention = FindNode(program, Operation::kAttention);
  EXPECT_THAT(program.values[attention->inputs[0]].shape,
              ElementsAre(2, 4, 8, 5));
  EXPECT_THAT(program.values[attention->inputs[2]].shape,
              ElementsAre(2, 4, 8, 7));
  EXPECT_NE(Find(program, "model.layers.0.self_attn.q_b_proj.weight"), nullptr);
  config["q_lora_rank"] = nullptr;
  EXPECT_NE(Find(Load(config), "model.layers.0.self_attn.q_proj.weight"),
            nullptr);
  // YaRN scales the scores by the square of its correction.
  config["rope_scaling"] = {{"type", "yarn"},
                            {"factor", 4.0},
                            {"mscale", 1.0},
                            {"mscale_all_dim", 1.0},
                            {"original_max_position_embeddings", 16}};
  const double correction = 0.1 * std::log(4.0) + 1;
  EXPECT_NEAR(NumberOf(*FindNode(Load(config), Operation::kAttention), "scale"),
              correction * correction / std::sqrt(5.0), 1e-12);
}

TEST(MixtureFamiliesTest, FilesOfTransformersFiveLoad) {
  const TinyFolder folder(TinyMixtral());
  TensorShapes shapes;
  for (const auto& [name, shape] : folder.Shapes()) {
    if (!absl::StrContains(name, ".experts.")) shapes[ModernName(name)] = shape;
  }
  for (const std::string layer : {"0", "1"}) {
    const std::string experts = "model.layers." + layer + ".mlp.experts.";
    shapes[experts + "gate_up_proj"] = {3, 40, 16};
    shapes[experts + "down_proj"] = {3, 16, 20};
  }
  folder.WriteWeights(shapes);
  const absl::StatusOr<LoadedModel> model = folder.Load(true);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(Warnings(*model), IsEmpty());
  const program::Parameter* up = Find(
      model->program, "model.layers.1.block_sparse_moe.experts.2.w3.weight");
  EXPECT_EQ(up->source_tensor, "model.layers.1.mlp.experts.gate_up_proj");
  EXPECT_EQ(up->source_offset, (2 * 40 + 20) * 16);
  EXPECT_EQ(Find(model->program, "model.layers.1.block_sparse_moe.gate.weight")
                ->source_tensor,
            "model.layers.1.mlp.gate.weight");

  shapes["model.layers.1.mlp.experts.down_proj"] = {3, 20, 16};
  folder.WriteWeights(shapes);
  EXPECT_THAT(std::string(folder.Load(true).status().message()),
              HasSubstr("down_proj' has shape [3,20,16]"));
  shapes.erase("model.layers.1.mlp.experts.down_proj");
  folder.WriteWeights(shapes);
  EXPECT_THAT(std::string(folder.Load(true).status().message()),
              HasSubstr("lacks 3 of the model's tensors"));
}

}  // namespace
}  // namespace autotp::model
