// What config.json may say, and what it gets told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "coordinator/model/finding.h"
#include "tests/unit/coordinator/model/tiny_folder.h"

namespace autotp::model {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::Diagnostic FindingOfText(const std::string& text) {
  const TinyFolder folder;
  WriteFile(folder / "config.json", text);
  const absl::StatusOr<LoadedModel> model = folder.Load(false);
  if (model.ok()) return {};
  v1::Diagnostic diagnostic = ToDiagnostic(model.status());
  EXPECT_EQ(diagnostic.file(), folder / "config.json");
  EXPECT_THAT(std::string(model.status().message()),
              HasSubstr(folder / "config.json"));
  return diagnostic;
}

v1::Diagnostic FindingOf(const std::function<void(json&)>& change) {
  json config = TinyLlamaConfig();
  change(config);
  return FindingOfText(config.dump(2));
}

struct Case {
  std::function<void(json&)> change;
  std::string pointer;
  std::string message;
};

TEST(ConfigTest, RefusesWithPlaceAndReason) {
  const std::vector<Case> cases = {
      {[](json& c) { c["hidden_size"] = "16"; }, "/hidden_size",
       "has to be an integer from 1 to 8388608, got \"16\""},
      {[](json& c) { c["hidden_size"] = 16.0; }, "/hidden_size", "got 16.0"},
      {[](json& c) { c["vocab_size"] = -1; }, "/vocab_size", "got -1"},
      {[](json& c) { c["vocab_size"] = uint64_t{1} << 63; }, "/vocab_size",
       "got 9223372036854775808"},
      {[](json& c) { c["num_hidden_layers"] = 100000; }, "/num_hidden_layers",
       "1 to 4096"},
      {[](json& c) { c["num_key_value_heads"] = 3; }, "/num_key_value_heads",
       "is 3, which does not divide num_attention_heads 4"},
      {[](json& c) { c["hidden_size"] = 18; }, "/num_attention_heads",
       "is 4, which does not divide hidden_size 18"},
      {[](json& c) {
         c["num_attention_heads"] = 65536;
         c["head_dim"] = 65536;
       },
       "/num_attention_heads", "wider together than 8388608"},
      {[](json& c) { c["head_dim"] = 5; }, "/head_dim", "even width"},
      {[](json& c) { c["pad_token_id"] = 24; }, "/pad_token_id",
       "outside the vocabulary of 24"},
      {[](json& c) { c["pad_token_id"] = {1}; }, "/pad_token_id",
       "an integer or null, got [1]"},
      {[](json& c) { c["rms_norm_eps"] = 0; }, "/rms_norm_eps", "positive"},
      {[](json& c) { c["hidden_act"] = "swoosh"; }, "/hidden_act",
       "'swoosh', which is unknown"},
      {[](json& c) { c["tie_word_embeddings"] = 1; }, "/tie_word_embeddings",
       "true or false, got 1"},
      {[](json& c) { c["attention_bias"] = "no"; }, "/attention_bias",
       "got \"no\""},
      {[](json& c) { c["quantization_config"] = json::object(); },
       "/quantization_config", "quantized"},
      {[](json& c) { c["base_model_tp_plan"] = {1}; }, "/base_model_tp_plan",
       "an object of strings"},
      {[](json& c) { c["rope_scaling"] = 2; }, "/rope_scaling", "an object"},
      {[](json& c) {
         c["rope_scaling"] = {{"type", "spiral"}};
       },
       "/rope_scaling/type", "is 'spiral', which is unknown"},
      {[](json& c) {
         c["rope_parameters"] = {{"rope_type", "linear"}};
       },
       "/rope_parameters/factor", "is missing"},
      {[](json& c) {
         c["rope_parameters"] = {{"full_attention", json::object()}};
       },
       "/rope_parameters/full_attention", "per layer type"},
      {[](json& c) { c["rope_theta"] = -1; }, "/rope_theta", "positive"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.pointer + ": " + c.message);
    const v1::Diagnostic finding = FindingOf(c.change);
    EXPECT_EQ(finding.reason(), "MODEL_CONFIG_INVALID");
    EXPECT_EQ(finding.json_pointer(), c.pointer);
    EXPECT_THAT(finding.message(), HasSubstr(c.message));
    if (c.message != "is missing") {
      EXPECT_GT(finding.line(), 1);
      EXPECT_GE(finding.column(), 3);
    }
  }
}

// Whatever a damaged file says, it gets a program or a finding.
TEST(ConfigTest, SurvivesDamage) {
  const std::string whole = TinyLlamaConfig().dump();
  const TinyFolder folder;
  constexpr char kBytes[] = "0123456789-.e{}[],:\"\\ truefalsn\xff";
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::minstd_rand random(seed);
    std::string text = whole;
    for (unsigned change = 0; change <= seed % 3; ++change)
      text[random() % text.size()] = kBytes[random() % (sizeof(kBytes) - 1)];
    WriteFile(folder / "config.json", text);
    const absl::StatusOr<LoadedModel> model = folder.Load(false);
    if (model.ok()) {
      EXPECT_TRUE(program::CheckProgram(model->program).ok()) << seed;
    } else {
      EXPECT_NE(ToDiagnostic(model.status()).reason(), "MODEL_INVALID")
          << seed << ": " << text << "\n"
          << model.status();
    }
  }
}

TEST(ConfigTest, NamesTheNearestModelType) {
  const v1::Diagnostic near =
      FindingOf([](json& c) { c["model_type"] = "lama"; });
  EXPECT_EQ(near.reason(), "MODEL_TYPE_UNKNOWN");
  EXPECT_THAT(near.message(), HasSubstr("'lama'"));
  EXPECT_THAT(near.suggestion(),
              HasSubstr("did you mean 'llama'? known are bloom, cohere"));
  EXPECT_GT(near.line(), 1);
  const v1::Diagnostic far =
      FindingOf([](json& c) { c["model_type"] = "whisper"; });
  EXPECT_THAT(far.suggestion(), ::testing::StartsWith("known are"));
  EXPECT_THAT(FindingOf([](json& c) { c.erase("model_type"); }).message(),
              HasSubstr("has no 'model_type'"));
}

TEST(ConfigTest, SaysWhereTheJsonBreaks) {
  const v1::Diagnostic finding =
      FindingOfText("{\n  \"model_type\": \"llama\",\n  \"a\": ?\n}");
  EXPECT_EQ(finding.reason(), "MODEL_JSON_INVALID");
  EXPECT_EQ(finding.line(), 3);
  EXPECT_EQ(finding.column(), 8);
  EXPECT_THAT(FindingOfText("").message(), HasSubstr("not valid JSON"));
  EXPECT_THAT(FindingOfText("[1]").message(),
              HasSubstr("has to hold a JSON object, not array"));
  EXPECT_THAT(FindingOfText("{\"a\": 1e999}").message(),
              HasSubstr("not valid JSON"));
  EXPECT_THAT(FindingOfText("{\"a\": \"\xff\"}").message(),
              HasSubstr("not valid JSON"));
}

std::vector<int64_t> Windows(const json& changes) {
  json config = TinyLlamaConfig();
  config.update(changes);
  const absl::StatusOr<LoadedModel> model = TinyFolder(config).Load(false);
  EXPECT_TRUE(model.ok()) << model.status();
  std::vector<int64_t> windows;
  if (!model.ok()) return windows;
  for (const program::Node& node : model->program.nodes)
    if (node.operation == program::Operation::kAttention)
      windows.push_back(program::IntegerOf(node, "window", 0));
  return windows;
}

TEST(ConfigTest, WindowsFollowTheFamily) {
  const json mistral = {{"model_type", "mistral"}, {"sliding_window", 3}};
  EXPECT_THAT(Windows(mistral), ElementsAre(3, 3));
  EXPECT_THAT(Windows({{"model_type", "mistral"}, {"sliding_window", 8}}),
              ElementsAre(0, 0));  // no longer than the sequence
  EXPECT_THAT(Windows({{"model_type", "mistral"}, {"sliding_window", nullptr}}),
              ElementsAre(0, 0));
  json qwen = {
      {"model_type", "qwen2"}, {"sliding_window", 3}, {"max_window_layers", 1}};
  EXPECT_THAT(Windows(qwen), ElementsAre(0, 0));
  qwen["use_sliding_window"] = true;
  EXPECT_THAT(Windows(qwen), ElementsAre(0, 3));
  qwen["layer_types"] = {"sliding_attention", "full_attention"};
  EXPECT_THAT(Windows(qwen), ElementsAre(3, 0));
}

TEST(ConfigTest, RefusesLayerTypesThatDoNotFit) {
  const auto message = [](const json& types) {
    return FindingOf([&types](json& c) {
             c["model_type"] = "qwen3";
             c["layer_types"] = types;
           })
        .message();
  };
  EXPECT_THAT(message({"full_attention"}), HasSubstr("1 entries for 2 layers"));
  EXPECT_THAT(message({"full_attention", "linear_attention"}),
              HasSubstr("'linear_attention', which is unknown"));
  EXPECT_THAT(message({"full_attention", "sliding_attention"}),
              HasSubstr("no window is in use"));
}

TEST(ConfigTest, HeadWidthHasAKeyOfItsOwn) {
  json config = TinyLlamaConfig();
  config["head_dim"] = 6;
  EXPECT_EQ(TinyFolder(config).Load(false)->head_width, 6);
  config["model_type"] = "qwen3";
  config.erase("head_dim");
  EXPECT_EQ(TinyFolder(config).Load(false)->head_width, 128);
  config["num_key_value_heads"] = nullptr;
  EXPECT_EQ(TinyFolder(config).Load(false)->key_value_heads, 4);
}

}  // namespace
}  // namespace autotp::model
