// Goal: a user's path finds the checkpoint that he means, everything else is
// called by its name, and the manifest alone is enough to export.
// Method: small checkpoints and folders with the files of other programs.
#include "worker/checkpoint/export_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"
#include "tests/unit/worker/checkpoint/files.h"
#include "tests/unit/worker/checkpoint/small_checkpoint.h"
#include "worker/checkpoint/find_checkpoint.h"
#include "worker/checkpoint/safetensors_reader.h"

namespace autotp::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ExportCommandTest : public ::testing::Test {
 protected:
  ExportCommandTest() {
    WriteFile(folder_ / "tokenizer.json", "{}");
    wish_.checkpoint = folder_ / "out/checkpoints/step-7";
    wish_.output = folder_ / "model";
  }

  // Of step 7, unless `change` says otherwise.
  template <typename Change>
  v1::Manifest Write(const std::string& path, const Change& change) {
    v1::Manifest manifest =
        WriteSmallCheckpoint(folder_ / path, 2, 1, /*commit=*/false);
    manifest.set_job("jobs/small");
    v1::ExportSpec* spec = manifest.mutable_export_();
    spec->set_dtype(v1::DATA_TYPE_FLOAT32);
    spec->set_original_dtype(v1::DATA_TYPE_BFLOAT16);
    spec->set_config_json(
        R"({"model_type": "llama", "dtype": "float32", "eps": 1e-05})");
    spec->add_copied_files(folder_ / "tokenizer.json");
    change(manifest);
    EXPECT_TRUE(WriteManifest(folder_ / path, manifest).ok());
    return manifest;
  }
  v1::Manifest Write(const std::string& path) {
    return Write(path, [](v1::Manifest&) {});
  }

  void ExpectFound(const std::string& path, const std::string& checkpoint) {
    const auto found = FindManifest(folder_ / path);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, folder_ / (checkpoint + "/MANIFEST.json"));
  }
  void ExpectCalled(const std::string& path, absl::StatusCode code,
                    const std::string& name) {
    const auto found = FindManifest(folder_ / path);
    EXPECT_EQ(found.status().code(), code) << path << found.status();
    EXPECT_THAT(found.status().message(),
                AllOf(HasSubstr(folder_ / path), HasSubstr(name)));
  }
  void Touch(const std::string& path) {
    std::filesystem::create_directories(
        std::filesystem::path(folder_ / path).parent_path());
    WriteFile(folder_ / path, "x");
  }

  testing::TempDir folder_;
  ExportWish wish_;
};

TEST_F(ExportCommandTest, FindsACheckpointOrTheNewestOfAJob) {
  const std::string newer = "out/checkpoints/a", older = "out/checkpoints/b";
  Write(newer, [](v1::Manifest& manifest) { manifest.set_step(9); });
  Write(older);
  Touch("out/checkpoints/c/rank-00000.safetensors");
  ExpectFound(older, older);
  ExpectFound(older + "/", older);
  ExpectFound(older + "/MANIFEST.json", older);
  for (const char* path : {"out", "out/latest", "out/checkpoints",
                           "out/checkpoints/", "out/checkpoints/latest"})
    ExpectFound(path, newer);
}

TEST_F(ExportCommandTest, CallsOtherFoldersByTheirNames) {
  using absl::StatusCode;
  Touch("ds/latest");
  Touch("ds/zero_to_fp32.py");
  Touch("ds/global_step4/mp_rank_00_model_states.pt");
  Touch("ds/global_step4/zero_pp_rank_0_mp_rank_00_optim_states.pt");
  Touch("hub/config.json");
  Touch("hub/model-00001-of-00002.safetensors");
  Touch("torch/model.pt");
  Touch("cut/rank-00000.safetensors");
  Touch("other/readme.txt");
  Touch("empty/checkpoints/step-1/rank-00000.safetensors");
  ExpectCalled("ds", StatusCode::kInvalidArgument, "a DeepSpeed checkpoint");
  ExpectCalled("ds/global_step4", StatusCode::kInvalidArgument,
               "mp_rank_00_model_states.pt");
  ExpectCalled("hub", StatusCode::kInvalidArgument, "exported already");
  ExpectCalled("torch", StatusCode::kInvalidArgument, "PyTorch");
  ExpectCalled("cut", StatusCode::kDataLoss, "never committed");
  ExpectCalled("other", StatusCode::kInvalidArgument, "no MANIFEST.json");
  ExpectCalled("other/readme.txt", StatusCode::kInvalidArgument, "is a file");
  ExpectCalled("absent", StatusCode::kNotFound, "no such folder");
  ExpectCalled("empty/checkpoints", StatusCode::kNotFound,
               "no committed checkpoint");
}

TEST_F(ExportCommandTest, ExportsAsTheJobWouldOrAsWished) {
  Write("out/checkpoints/step-7");
  auto done = ExportCheckpoint(wish_);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(*done, "step 7 of jobs/small: " + wish_.output);
  EXPECT_THAT(ReadFile(wish_.output + "/config.json"), HasSubstr("float32"));
  EXPECT_EQ(ReadFile(wish_.output + "/tokenizer.json"), "{}");

  wish_.dtype = "original";
  done = ExportCheckpoint(wish_);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_THAT(
      ReadFile(wish_.output + "/config.json"),
      AllOf(HasSubstr("\"dtype\": \"bfloat16\""), HasSubstr("\"eps\": 1e-05")));
  auto file = SafetensorsFile::Open(wish_.output + "/model.safetensors");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*(*file)->Find("norm.weight"))->element, "BF16");

  wish_.dtype = "int8";
  EXPECT_EQ(ExportCheckpoint(wish_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ExportCommandTest, TakesCopiedFilesFromWhereTheyAreNow) {
  Write("out/checkpoints/step-7");
  std::filesystem::create_directory(folder_ / "moved");
  std::filesystem::rename(folder_ / "tokenizer.json",
                          folder_ / "moved/tokenizer.json");
  const auto failed = ExportCheckpoint(wish_);
  EXPECT_THAT(failed.status().message(),
              AllOf(HasSubstr("tokenizer.json"), HasSubstr("--model")));
  EXPECT_FALSE(std::filesystem::exists(wish_.output));
  wish_.model = folder_ / "moved";
  const auto done = ExportCheckpoint(wish_);
  EXPECT_TRUE(done.ok()) << done.status();
}

TEST_F(ExportCommandTest, ADamagedPartIsNoticedAndNothingIsLeft) {
  Write("out/checkpoints/step-7");
  const std::string part = wish_.checkpoint + "/rank-00001.safetensors";
  std::string bytes = ReadFile(part);
  bytes[bytes.size() - 3] ^= 1;
  WriteFile(part, bytes);
  const auto failed = ExportCheckpoint(wish_);
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(failed.status().message(), HasSubstr("rank-00001"));
  EXPECT_FALSE(std::filesystem::exists(wish_.output));
  EXPECT_FALSE(std::filesystem::exists(wish_.output + ".partial"));
}

TEST_F(ExportCommandTest, AManifestWithoutItsModelSaysSo) {
  Write("out/checkpoints/step-7",
        [](v1::Manifest& manifest) { manifest.clear_export_(); });
  const auto failed = ExportCheckpoint(wish_);
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(failed.status().message(), HasSubstr("--resume"));
}

TEST_F(ExportCommandTest, FusesAndNamesTensorsAsTheModelsFilesDo) {
  // "down.weight" [4,7] and "kv.weight" [4,3] as 40 numbers of one tensor.
  Write("out/checkpoints/step-7", [](v1::Manifest& manifest) {
    for (v1::ParameterRecord& record : *manifest.mutable_parameters()) {
      v1::TensorSource* source = record.mutable_source();
      if (record.name() == "norm.weight") source->set_tensor("ln.weight");
      if (record.name() != "down.weight" && record.name() != "kv.weight")
        continue;
      source->set_tensor("both");
      source->set_offset(record.name() == "down.weight" ? 12 : 0);
      source->add_shape(2);
      source->add_shape(20);
    }
  });
  const auto done = ExportCheckpoint(wish_);
  ASSERT_TRUE(done.ok()) << done.status();
  auto file = SafetensorsFile::Open(wish_.output + "/model.safetensors");
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE((*file)->Find("kv.weight").ok());
  EXPECT_TRUE((*file)->Find("ln.weight").ok());
  EXPECT_FALSE((*file)->Find("norm.weight").ok());
  ASSERT_TRUE((*file)->Find("both").ok());
  EXPECT_EQ((*(*file)->Find("both"))->shape, (Shape{2, 20}));
  std::vector<float> values(40);
  ASSERT_TRUE((*file)->Read("both", {}, values.data()).ok());
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(values[i], i < 12 ? ValueAt(kWeight, "kv.weight", i)
                                : ValueAt(kWeight, "down.weight", i - 12));
  }
}

TEST_F(ExportCommandTest, RefusesAFusedTensorWithAHole) {
  Write("out/checkpoints/step-7", [](v1::Manifest& manifest) {
    v1::TensorSource* source = manifest.mutable_parameters(2)->mutable_source();
    source->set_tensor("both");
    source->add_shape(40);
  });
  EXPECT_EQ(ExportCheckpoint(wish_).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(wish_.output));
}

}  // namespace
}  // namespace autotp::checkpoint
