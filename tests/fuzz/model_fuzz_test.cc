// Goal: whatever bytes lie in a model folder, the answer is a model or a
// finding that names the file.
// Method: mutations of the config.json and of the safetensors headers of the
// models in tests/golden; both readers of headers, the coordinator's and the
// worker's, have to agree on what is right.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "coordinator/model/huggingface/safetensors_header.h"
#include "coordinator/model/model.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"
#include "worker/checkpoint/safetensors_header.h"

namespace autotp::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLengthBytes = 8;  // before a safetensors file's header

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

// Texts of the golden models' files of that name, in a fixed order.
std::vector<std::string> FilesNamed(const std::string& name) {
  std::vector<std::string> texts;
  for (const auto& entry :
       fs::directory_iterator(testing::GoldenPath("models"))) {
    const fs::path file = entry.path() / "model" / name;
    if (fs::exists(file)) texts.push_back(ReadFile(file));
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

testing::FuzzOptions ConfigOptions() {
  testing::FuzzOptions options;
  options.rounds = 4000;
  options.corpus = FilesNamed("config.json");
  options.tokens = {"{",
                    "}",
                    "[",
                    "]",
                    ",",
                    ":",
                    "\"",
                    "null",
                    "true",
                    "-1",
                    "0",
                    "1.5",
                    "1e9",
                    "\"hidden_size\": 3, ",
                    "\"num_attention_heads\": 0, ",
                    "\"num_key_value_heads\": 7, ",
                    "\"num_hidden_layers\": 2000000000, ",
                    "\"vocab_size\": 9223372036854775807, ",
                    "\"intermediate_size\": 4611686018427387904, ",
                    "\"head_dim\": 1, ",
                    "\"rope_scaling\": {}, ",
                    "\"rope_parameters\": {\"rope_type\": \"yarn\"}, ",
                    "\"layer_types\": [\"full_attention\"], ",
                    "\"base_model_tp_plan\": {\"a\": 1}, ",
                    "\"num_experts\": 100000000, ",
                    "\"num_local_experts\": -3, "};
  return options;
}

TEST(ModelFuzzTest, AnyConfigIsAModelOrAFinding) {
  const testing::TempDir folder;
  int models = 0;
  testing::Fuzz(ConfigOptions(), [&](const std::string& text) {
    std::ofstream(folder / "config.json", std::ios::binary) << text;
    const auto loaded = LoadModel({.path = folder.path().string(),
                                   .sequence_length = 8,
                                   .need_weights = false});
    if (loaded.ok()) {
      ++models;
      EXPECT_FALSE(loaded->program.nodes.empty());
      return;
    }
    EXPECT_LT(loaded.status().message().size(), 4000u);
    EXPECT_TRUE(
        absl::StrContains(loaded.status().message(), folder.path().string()))
        << loaded.status();
  });
  EXPECT_GT(models, 100);
}

// The header's text of each model's weights.
testing::FuzzOptions HeaderOptions() {
  testing::FuzzOptions options;
  options.rounds = 12000;
  for (const std::string& file : FilesNamed("model.safetensors")) {
    uint64_t length = 0;
    std::memcpy(&length, file.data(), kLengthBytes);
    options.corpus.push_back(file.substr(kLengthBytes, length));
  }
  options.corpus.push_back(
      R"({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
          "b": {"dtype": "BF16", "shape": [], "data_offsets": [24, 26]},
          "__metadata__": {"format": "pt"}})");
  options.tokens = {"{",
                    "}",
                    "[",
                    "]",
                    ",",
                    ":",
                    "\"",
                    "\"F32\"",
                    "\"BF16\"",
                    "\"I64\"",
                    "\"dtype\": ",
                    "\"shape\": [",
                    "[0, 24]",
                    "4611686018427387904",
                    "\"__metadata__\": {}, ",
                    "\"data_offsets\": [0, 9223372036854775807]"};
  return options;
}

// Where the data would have to end for the header to be right.
int64_t DataBytes(const std::string& text) {
  const std::string key = "\"data_offsets\"";
  int64_t end = 0;
  for (size_t at = text.find(key); at != std::string::npos;
       at = text.find(key, at + 1)) {
    const size_t comma = text.find(',', at);
    if (comma == std::string::npos) break;
    end = std::max<int64_t>(
        end, std::strtoll(text.c_str() + comma + 1, nullptr, 10));
  }
  return std::clamp<int64_t>(end, 0, int64_t{1} << 40);
}

TEST(ModelFuzzTest, AnyHeaderIsReadOrRefusedByBothReaders) {
  int read = 0;
  testing::Fuzz(HeaderOptions(), [&](const std::string& text) {
    const int64_t data_bytes = DataBytes(text);
    const auto ours = ParseSafetensorsHeader("file", text, data_bytes);
    const auto theirs = checkpoint::ParseHeader(
        text, data_bytes + static_cast<int64_t>(kLengthBytes + text.size()));
    if (!ours.ok()) {
      EXPECT_LT(ours.status().message().size(), 4000u);
    }
    if (!theirs.ok()) {
      EXPECT_LT(theirs.status().message().size(), 4000u);
    }
    if (!ours.ok() || !theirs.ok()) return;
    ++read;
    ASSERT_EQ(ours->size(), theirs->tensors.size());
    for (const auto& [name, tensor] : *ours) {
      const auto found = theirs->tensors.find(name);
      ASSERT_NE(found, theirs->tensors.end()) << name;
      EXPECT_EQ(tensor.begin, found->second.bytes.begin) << name;
      EXPECT_EQ(tensor.end, found->second.bytes.end) << name;
    }
  });
  EXPECT_GT(read, 100);
}

// The file itself: its length, its header, its end.
TEST(ModelFuzzTest, AnyWeightFileIsReadOrRefused) {
  const testing::TempDir folder;
  fs::copy_file(testing::GoldenPath("models/llama/model/config.json"),
                folder / "config.json");
  testing::FuzzOptions options;
  options.rounds = 1500;
  options.longest_bytes = size_t{1} << 20;
  options.corpus = {
      ReadFile(testing::GoldenPath("models/llama/model/model.safetensors"))};
  // The header is a small part of it: cut the data short before each edit.
  options.corpus.push_back(options.corpus[0].substr(0, 4096));
  options.tokens = {std::string(kLengthBytes, '\0'),
                    std::string(kLengthBytes, '\xff'), "{", "}", "\"F32\""};
  testing::Fuzz(options, [&](const std::string& bytes) {
    std::ofstream(folder / "model.safetensors", std::ios::binary) << bytes;
    const auto loaded =
        LoadModel({.path = folder.path().string(), .sequence_length = 8});
    if (!loaded.ok()) {
      EXPECT_LT(loaded.status().message().size(), 4000u);
    }
  });
}

}  // namespace
}  // namespace autotp::model
