// Goal: each family drops where its class in Transformers does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/subprocess.h"
#include "tests/unit/coordinator/model/tiny_folder.h"

namespace autotp::model {
namespace {

using nlohmann::json;
using program::Node;
using program::Operation;

constexpr double kAttention = 0.125;
constexpr double kResidual = 0.25;
constexpr double kEmbedding = 0.375;

struct FamilyCase {
  std::string model;  // a folder of tests/golden/models
  std::map<std::string, double> keys;
  bool softmax = true;  // dropped, in every layer
  // How often a value is dropped with each probability: in the whole model and
  // in each layer.
  std::map<double, int> once;
  std::map<double, int> in_layers;
};

TEST(DropoutTest, IsWhereTransformersHasIt) {
  const std::map<double, int> two = {{kResidual, 2}};
  const std::map<double, int> one = {{kEmbedding, 1}};
  const auto names = [](const char* attention, const char* residual,
                        const char* embedding = nullptr) {
    std::map<std::string, double> keys = {{attention, kAttention}};
    if (residual != nullptr) keys[residual] = kResidual;
    if (embedding != nullptr) keys[embedding] = kEmbedding;
    return keys;
  };
  const std::vector<FamilyCase> cases = {
      {"gpt2", names("attn_pdrop", "resid_pdrop", "embd_pdrop"), true, one,
       two},
      {"gptj", names("attn_pdrop", "resid_pdrop", "embd_pdrop"), true, one,
       two},
      {"phi", names("attention_dropout", "resid_pdrop", "embd_pdrop"), true,
       one, two},
      {"starcoder2",
       names("attention_dropout", "residual_dropout", "embedding_dropout"),
       true, one, two},
      {"gpt_neox",
       names("attention_dropout", "hidden_dropout"),
       true,
       {{kResidual, 1}},
       two},
      {"gpt_neox_sequential",
       names("attention_dropout", "hidden_dropout"),
       true,
       {{kResidual, 1}},
       two},
      {"opt", names("attention_dropout", "dropout"), true, {}, two},
      {"opt_post", names("attention_dropout", "dropout"), true, {}, two},
      {"bloom", names("attention_dropout", "hidden_dropout"), true, {}, two},
      {"phi3", names("attention_dropout", "resid_pdrop"), true, {}, two},
      {"stablelm",
       names("attention_dropout", "hidden_dropout"),
       true,
       {},
       {{kResidual, 1}}},
      // Not of the attention with rotary embeddings; once where attention and
      // MLP stand beside each other.
      {"falcon",
       names("attention_dropout", "hidden_dropout"),
       false,
       {},
       {{kResidual, 1}}},
      {"falcon_rw",
       names("attention_dropout", "hidden_dropout"),
       true,
       {},
       {{kResidual, 1}, {kAttention, 1}}},
  };
  for (const FamilyCase& c : cases) {
    json config = json::parse(
        autotp::testing::ReadFileOrEmpty(autotp::testing::SourcePath(
            "tests/golden/models/" + c.model + "/model/config.json")));
    for (const auto& [key, probability] : c.keys) config[key] = probability;
    const absl::StatusOr<LoadedModel> model = TinyFolder(config).Load(false);
    ASSERT_TRUE(model.ok()) << model.status();
    std::map<double, int> want = c.once;
    int layers = 0;
    std::map<double, int> got;
    for (const Node& node : model->program.nodes) {
      if (node.operation == Operation::kAttention) {
        ++layers;
        EXPECT_EQ(NumberOf(node, "dropout", 0), c.softmax ? kAttention : 0)
            << c.model;
      } else if (node.operation == Operation::kDropout) {
        ++got[NumberOf(node, "probability")];
      }
    }
    for (const auto& [probability, count] : c.in_layers)
      want[probability] += layers * count;
    EXPECT_EQ(got, want) << c.model;
    EXPECT_THAT(Warnings(*model), ::testing::IsEmpty()) << c.model;
  }
}

TEST(DropoutTest, OfTheSoftmaxAloneElsewhere) {
  for (const char* name :
       {"llama", "mistral", "qwen2", "qwen3", "granite", "smollm3", "olmo",
        "olmo2", "gemma", "gemma2", "gemma3", "glm", "glm4", "cohere",
        "cohere2", "mixtral", "qwen2_moe", "qwen3_moe", "deepseek_v3"}) {
    json config = json::parse(autotp::testing::ReadFileOrEmpty(
        autotp::testing::SourcePath("tests/golden/models/" + std::string(name) +
                                    "/model/config.json")));
    config["attention_dropout"] = kAttention;
    const absl::StatusOr<LoadedModel> model = TinyFolder(config).Load(false);
    ASSERT_TRUE(model.ok()) << model.status();
    for (const Node& node : model->program.nodes) {
      EXPECT_NE(node.operation, Operation::kDropout) << name;
      if (node.operation != Operation::kAttention) continue;
      EXPECT_EQ(NumberOf(node, "dropout", 0), kAttention) << name;
    }
  }
}

TEST(DropoutTest, AProbabilityIsFromZeroToOne) {
  json config = TinyLlamaConfig();
  config["attention_dropout"] = 1.5;
  const absl::Status status = TinyFolder(config).Load(false).status();
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("a probability is from 0 to 1"));
}

}  // namespace
}  // namespace autotp::model
