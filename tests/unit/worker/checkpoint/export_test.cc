// Goal: the exported folder is a Hugging Face model, whole or not there.
// Method: small checkpoints exported and read back by our own reader.
#include "worker/checkpoint/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "nlohmann/json.hpp"
#include "tests/support/temp_dir.h"
#include "tests/unit/worker/checkpoint/files.h"
#include "tests/unit/worker/checkpoint/small_checkpoint.h"
#include "worker/checkpoint/safetensors_reader.h"

namespace autotp::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ExportTest : public ::testing::Test {
 protected:
  ExportTest() {
    WriteSmallCheckpoint(folder_ / "step", 2, 2);
    WriteFile(folder_ / "tokenizer.json", "{}");
    spec_.set_path(folder_ / "model");
    spec_.set_dtype(v1::DATA_TYPE_FLOAT32);
    spec_.set_config_json("{\"model_type\": \"llama\"}");
    spec_.add_copied_files(folder_ / "tokenizer.json");
  }

  absl::Status Export() {
    return ExportModel(folder_ / "step/MANIFEST.json", spec_);
  }

  void ExpectWeights(const std::string& file, const SmallParameter& parameter) {
    auto opened = SafetensorsFile::Open(folder_ / ("model/" + file));
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ((*opened)->header().metadata.at("format"), "pt");
    std::vector<float> values(ElementCount(parameter.shape));
    const absl::Status read =
        (*opened)->Read(parameter.name, {}, values.data());
    ASSERT_TRUE(read.ok()) << read;
    EXPECT_EQ(values, ValuesOf(parameter, kWeight, {},
                               {0, ElementCount(parameter.shape)}));
  }

  testing::TempDir folder_;
  v1::ExportSpec spec_;
};

TEST_F(ExportTest, WritesOneFileWithOriginalNamesAndNoAliases) {
  ASSERT_TRUE(Export().ok());
  EXPECT_THAT(
      Names(folder_.path() / "model"),
      ElementsAre("config.json", "model.safetensors", "tokenizer.json"));
  EXPECT_EQ(ReadFile(folder_ / "model/config.json"), spec_.config_json());
  for (const SmallParameter& parameter : SmallModel(1))
    ExpectWeights("model.safetensors", parameter);
  auto file = SafetensorsFile::Open(folder_ / "model/model.safetensors");
  EXPECT_FALSE((*file)->Find("head.weight").ok());
}

TEST_F(ExportTest, DividesLargeModelsIntoFilesWithAnIndex) {
  spec_.set_max_file_bytes(300);
  ASSERT_TRUE(Export().ok());
  const auto index = nlohmann::json::parse(
      ReadFile(folder_ / "model/model.safetensors.index.json"));
  int64_t elements = 0;
  std::set<std::string> files;
  for (const SmallParameter& parameter : SmallModel(1)) {
    elements += ElementCount(parameter.shape);
    const std::string file = index["weight_map"][parameter.name];
    files.insert(file);
    ExpectWeights(file, parameter);
  }
  EXPECT_EQ(index["metadata"]["total_size"], elements * 4);
  // 160 | 192 + 112 would be 304 | 112 + 48 + 20 bytes.
  EXPECT_THAT(files, ElementsAre("model-00001-of-00003.safetensors",
                                 "model-00002-of-00003.safetensors",
                                 "model-00003-of-00003.safetensors"));
}

TEST_F(ExportTest, ConvertsToTheElementTypeAskedFor) {
  spec_.set_dtype(v1::DATA_TYPE_BFLOAT16);
  ASSERT_TRUE(Export().ok());
  auto file = SafetensorsFile::Open(folder_ / "model/model.safetensors");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*(*file)->Find("norm.weight"))->element, "BF16");
}

// A number that fp16 lacks would be infinite in the model.
TEST_F(ExportTest, RefusesNumbersBeyondFloat16ByName) {
  spec_.set_dtype(v1::DATA_TYPE_FLOAT16);
  ASSERT_TRUE(Export().ok());
  const std::string part = folder_ / "step/rank-00000.safetensors";
  std::string bytes = ReadFile(part);
  const float small = ValueAt(kWeight, "embed.weight", 3);
  const float large = -70000;
  const size_t place = bytes.find(
      std::string(reinterpret_cast<const char*>(&small), sizeof(small)));
  ASSERT_NE(place, std::string::npos);
  bytes.replace(place, sizeof(large), reinterpret_cast<const char*>(&large),
                sizeof(large));
  WriteFile(part, bytes);
  spec_.set_config_json("{\"model_type\": \"mistral\"}");
  const absl::Status refused = Export();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("1 of embed.weight; export as bf16 or fp32"));
  // The older model is still there.
  EXPECT_EQ(ReadFile(folder_ / "model/config.json"),
            "{\"model_type\": \"llama\"}");
  spec_.set_dtype(v1::DATA_TYPE_BFLOAT16);
  EXPECT_TRUE(Export().ok());
}

TEST_F(ExportTest, ReplacesAnOlderModelAndLeavesNothingBeside) {
  ASSERT_TRUE(Export().ok());
  WriteFile(folder_ / "model/stale.txt", "old");
  spec_.set_config_json("{\"model_type\": \"mistral\"}");
  ASSERT_TRUE(Export().ok());
  EXPECT_EQ(ReadFile(folder_ / "model/config.json"), spec_.config_json());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "model/stale.txt"));
  EXPECT_THAT(Names(folder_.path()),
              ElementsAre("model", "step", "tokenizer.json"));
}

TEST_F(ExportTest, KeepsAFolderThatIsNoModel) {
  std::filesystem::create_directory(folder_ / "model");
  WriteFile(folder_ / "model/thesis.txt", "precious");
  EXPECT_EQ(Export().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadFile(folder_ / "model/thesis.txt"), "precious");
}

TEST_F(ExportTest, LeavesTheOlderModelWhenItFails) {
  ASSERT_TRUE(Export().ok());
  spec_.add_copied_files(folder_ / "missing.json");
  const absl::Status failed = Export();
  EXPECT_THAT(failed.message(), HasSubstr("missing.json"));
  EXPECT_EQ(Names(folder_.path() / "model").size(), 3u);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "model.partial"));
}

}  // namespace
}  // namespace autotp::checkpoint
