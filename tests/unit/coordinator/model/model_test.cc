#include "coordinator/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "coordinator/model/copied_files.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/huggingface/fused_experts.h"
#include "tests/support/golden.h"
#include "tests/unit/coordinator/model/tiny_folder.h"

namespace autotp::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

absl::StatusOr<LoadedModel> LoadFixture(const std::string& name) {
  return LoadModel(
      {.path = autotp::testing::GoldenPath("models/" + name + "/model"),
       .micro_batch = 2,
       .sequence_length = 32});
}

const program::Parameter* Find(const program::Program& program,
                               const std::string& name) {
  for (const program::Parameter& parameter : program.parameters)
    if (parameter.name == name) return &parameter;
  return nullptr;
}

std::vector<int64_t> Windows(const program::Program& program) {
  std::vector<int64_t> windows;
  for (const program::Node& node : program.nodes)
    if (node.operation == program::Operation::kAttention)
      windows.push_back(program::IntegerOf(node, "window", 0));
  return windows;
}

TEST(LoadModelTest, LoadsEveryFixture) {
  for (const char* name :
       {"llama", "llama3", "llama_bias", "mistral", "qwen2", "qwen3"}) {
    SCOPED_TRACE(name);
    const absl::StatusOr<LoadedModel> model = LoadFixture(name);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_THAT(Warnings(*model), IsEmpty());
    EXPECT_EQ(model->vocabulary_size, 256);
    EXPECT_EQ(model->attention_heads, 4);
    EXPECT_EQ(model->key_value_heads, 2);
    EXPECT_EQ(model->head_width, 16);
    EXPECT_EQ(model->base_model_prefix, "model");
    EXPECT_THAT(model->tp_plans, IsEmpty());
    for (const program::Parameter& parameter : model->program.parameters) {
      EXPECT_EQ(parameter.source_tensor, parameter.name);
      EXPECT_TRUE(std::filesystem::path(parameter.source_file).is_absolute());
    }
    EXPECT_TRUE(program::CheckProgram(model->program).ok());
  }
}

TEST(LoadModelTest, EveryFixtureIsWholeAndUnquestioned) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           autotp::testing::GoldenPath("models"))) {
    const std::string name = entry.path().filename().string();
    if (name == "data") continue;
    SCOPED_TRACE(name);
    const absl::StatusOr<LoadedModel> model = LoadFixture(name);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_THAT(Warnings(*model), IsEmpty());
    // Files of Transformers 5 may keep a layer's experts in one tensor.
    for (const program::Parameter& parameter : model->program.parameters) {
      const std::optional<FusedPlace> fused = FindFusedPlace(parameter.name);
      EXPECT_THAT(
          parameter.source_tensor,
          ::testing::AnyOf(parameter.name, ModernName(parameter.name),
                           fused.has_value() ? fused->tensor : parameter.name));
    }
    ++count;
  }
  EXPECT_GT(count, 20);
}

TEST(LoadModelTest, FamiliesDifferWhereTheyShould) {
  const program::Program llama3 = LoadFixture("llama3")->program;
  EXPECT_THAT(Find(llama3, "model.embed_tokens.weight")->aliases,
              ElementsAre("lm_head.weight"));
  EXPECT_EQ(Find(llama3, "lm_head.weight"), nullptr);

  const program::Program bias = LoadFixture("llama_bias")->program;
  EXPECT_NE(Find(bias, "model.layers.1.self_attn.o_proj.bias"), nullptr);
  EXPECT_NE(Find(bias, "model.layers.1.mlp.down_proj.bias"), nullptr);
  EXPECT_EQ(Find(bias, "model.embed_tokens.weight")->initialization.zero_row,
            5);
  EXPECT_EQ(program::IntegerOf(bias.nodes[0], "padding_idx"), 5);

  EXPECT_THAT(Windows(LoadFixture("mistral")->program), ElementsAre(12, 12));
  EXPECT_THAT(Windows(LoadFixture("llama")->program), ElementsAre(0, 0));

  const program::Program qwen2 = LoadFixture("qwen2")->program;
  EXPECT_NE(Find(qwen2, "model.layers.0.self_attn.v_proj.bias"), nullptr);
  EXPECT_EQ(Find(qwen2, "model.layers.0.self_attn.o_proj.bias"), nullptr);
  EXPECT_THAT(Find(qwen2, "lm_head.weight")->source_file,
              ::testing::EndsWith("model-00002-of-00002.safetensors"));

  const program::Program qwen3 = LoadFixture("qwen3")->program;
  EXPECT_THAT(Find(qwen3, "model.layers.0.self_attn.q_norm.weight")->shape,
              ElementsAre(16));
}

TEST(LoadModelTest, TinyLlamaIsThisProgram) {
  nlohmann::json config = TinyLlamaConfig();
  config["num_hidden_layers"] = 1;
  config["pad_token_id"] = -1;
  config["tie_word_embeddings"] = true;
  const absl::StatusOr<LoadedModel> model = TinyFolder(config).Load(false);
  ASSERT_TRUE(model.ok()) << model.status();
  autotp::testing::ExpectGolden("programs/tiny_llama.txt",
                                program::DescribeProgram(model->program));
}

TEST(LoadModelTest, TakesOnlyShapesForRandomWeights) {
  const absl::StatusOr<LoadedModel> model = TinyFolder().Load(false);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->program.parameters[0].source_file, "");
  const program::Parameter* norm =
      Find(model->program, "model.layers.0.input_layernorm.weight");
  EXPECT_EQ(norm->initialization.kind, program::Initialization::Kind::kOnes);
}

TEST(LoadModelTest, KeepsTheOrderOfItsOwnPlan) {
  const TinyFolder folder;
  WriteFile(folder / "config.json",
            R"({"model_type": "llama", "hidden_size": 16, "vocab_size": 9,
                "num_attention_heads": 4, "base_model_tp_plan": {
                "layers.*.self_attn.q_proj": "colwise",
                "layers.*.mlp.down_proj": "rowwise"},
                "text_config": {"base_model_tp_plan": {
                "lm_head": "colwise"}}})");
  const absl::StatusOr<LoadedModel> model = folder.Load(false);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ(model->tp_plans.size(), 2u);
  EXPECT_EQ(model->tp_plans[0].json_pointer, "/base_model_tp_plan");
  EXPECT_THAT(model->tp_plans[0].entries,
              ElementsAre(Pair("layers.*.self_attn.q_proj", "colwise"),
                          Pair("layers.*.mlp.down_proj", "rowwise")));
  EXPECT_EQ(model->tp_plans[1].json_pointer, "/text_config/base_model_tp_plan");
  EXPECT_THAT(model->tp_plans[1].entries,
              ElementsAre(Pair("lm_head", "colwise")));
}

TEST(LoadModelTest, CopiesWhatATrainedModelNeeds) {
  const TinyFolder folder;
  folder.WriteWeights(folder.Shapes());
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt",
        "generation_config.json", "chat_template.jinja", ".gitattributes",
        "pytorch_model.bin", "training_args.bin", "optimizer.pt"}) {
    WriteFile(folder / name, "x");
  }
  std::filesystem::create_directory(folder / "onnx");
  const absl::StatusOr<LoadedModel> model = folder.Load(true);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(model->copied_files,
              ElementsAre(folder / "chat_template.jinja",
                          folder / "generation_config.json",
                          folder / "merges.txt", folder / "tokenizer.json",
                          folder / "tokenizer.model", folder / "vocab.json"));
}

TEST(LoadModelTest, RefusesFileNamesThatNoMessageCanHold) {
  const TinyFolder folder;
  WriteFile(folder / "vocab\xff.json", "x");
  const absl::StatusOr<LoadedModel> model = folder.Load(false);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(ToDiagnostic(model.status()).file(), folder / "vocab?.json");
}

TEST(LoadModelTest, SaysWhatFolderIsMissing) {
  const autotp::testing::TempDir dir;
  const auto reason = [](const std::string& path) {
    return ToDiagnostic(
        LoadModel({.path = path, .sequence_length = 8}).status());
  };
  const v1::Diagnostic absent = reason(dir / "absent");
  EXPECT_EQ(absent.reason(), "MODEL_FOLDER_MISSING");
  EXPECT_EQ(absent.file(), dir / "absent");
  EXPECT_THAT(reason(dir.path().string()).message(),
              HasSubstr("has no config.json"));
  WriteFile(dir / "file", "x");
  EXPECT_THAT(reason(dir / "file").message(), HasSubstr("not a file"));
}

TEST(LoadModelTest, WarnsAboutWhatHasNoEffect) {
  nlohmann::json config = TinyLlamaConfig();
  config["model_type"] = "phi3";
  config["embd_pdrop"] = 0.1;
  config["max_position_embeddings"] = 4;
  config["pad_token_id"] = 1;
  const absl::StatusOr<LoadedModel> model = TinyFolder(config).Load(false);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_THAT(Warnings(*model), SizeIs(2));
  EXPECT_EQ(model->warnings[0].json_pointer(), "/embd_pdrop");
  EXPECT_GT(model->warnings[0].line(), 1);
  EXPECT_THAT(model->warnings[1].message(), HasSubstr("8 tokens"));
}

TEST(WithDtypeTest, ReplacesOnlyTheValue) {
  EXPECT_EQ(WithDtype("{\n \"a\": {\"dtype\": \"x\"},\n \"dtype\" : "
                      "\"bfloat16\",\"torch_dtype\":null }",
                      "float32"),
            "{\n \"a\": {\"dtype\": \"x\"},\n \"dtype\" : "
            "\"float32\",\"torch_dtype\":\"float32\" }");
  EXPECT_EQ(WithDtype("{}", "float32"), "{}");
}

TEST(CopiedFilesTest, LeavesWeightsOfEveryFormat) {
  EXPECT_TRUE(IsCopied("special_tokens_map.json"));
  EXPECT_TRUE(IsCopied("LICENSE"));
  EXPECT_FALSE(IsCopied("config.json"));
  EXPECT_FALSE(IsCopied("model-00001-of-00002.safetensors"));
  EXPECT_FALSE(IsCopied("model.safetensors.index.json"));
  EXPECT_FALSE(IsCopied("pytorch_model-00001-of-00002.bin"));
}

}  // namespace
}  // namespace autotp::model
