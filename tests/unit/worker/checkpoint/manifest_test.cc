// Goal: only a folder with a whole, matching manifest is a checkpoint.
// Method: a small checkpoint, then one damage at a time.
#include "worker/checkpoint/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "tests/unit/worker/checkpoint/files.h"
#include "tests/unit/worker/checkpoint/small_checkpoint.h"
#include "worker/checkpoint/output_file.h"

namespace autotp::checkpoint {
namespace {

using ::testing::HasSubstr;

TEST(ManifestTest, ComesBackAsItWasWritten) {
  const testing::TempDir folder;
  v1::Manifest manifest =
      WriteSmallCheckpoint(folder.path(), 2, 2, /*commit=*/false);
  manifest.set_seed(~uint64_t{0});
  manifest.set_sequences_consumed(int64_t{1} << 60);
  auto written = WriteManifest(folder.path(), manifest);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->digest, DigestFile(written->path).value());
  int64_t bytes = ReadFile(written->path).size();
  for (const v1::Part& part : manifest.parts()) bytes += part.size_bytes();
  EXPECT_EQ(written->size_bytes, bytes);
  auto read = ReadManifest(written->path, Verify::kDigests);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->SerializeAsString(), manifest.SerializeAsString());
}

TEST(ManifestTest, IsWrittenOnce) {
  const testing::TempDir folder;
  const v1::Manifest manifest = WriteSmallCheckpoint(folder.path(), 1, 1);
  EXPECT_EQ(WriteManifest(folder.path(), manifest).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(ManifestTest, IsAbsentUntilCommitted) {
  const testing::TempDir folder;
  WriteSmallCheckpoint(folder.path(), 1, 1, /*commit=*/false);
  EXPECT_EQ(
      ReadManifest(folder / kManifestName, Verify::kSizes).status().code(),
      absl::StatusCode::kNotFound);
}

TEST(ManifestTest, FindsDamagedAndMissingParts) {
  const testing::TempDir folder;
  const v1::Manifest manifest = WriteSmallCheckpoint(folder.path(), 2, 1);
  const std::string part = folder / manifest.parts(1).path();
  const std::string whole = ReadFile(part);

  std::string flipped = whole;
  flipped.back() ^= 1;
  WriteFile(part, flipped);
  EXPECT_TRUE(ReadManifest(folder / kManifestName, Verify::kSizes).ok());
  EXPECT_THAT(
      ReadManifest(folder / kManifestName, Verify::kDigests).status().message(),
      HasSubstr("has digest"));

  WriteFile(part, whole.substr(1));
  EXPECT_THAT(
      ReadManifest(folder / kManifestName, Verify::kSizes).status().message(),
      HasSubstr(manifest.parts(1).path()));

  std::filesystem::remove(part);
  EXPECT_EQ(
      ReadManifest(folder / kManifestName, Verify::kSizes).status().code(),
      absl::StatusCode::kDataLoss);
}

TEST(ManifestTest, RefusesTextThatIsNoManifest) {
  const testing::TempDir folder;
  WriteFile(folder / kManifestName, "{\"step\": 1");
  EXPECT_EQ(
      ReadManifest(folder / kManifestName, Verify::kSizes).status().code(),
      absl::StatusCode::kDataLoss);
}

TEST(ManifestTest, RefusesPartsOutsideOfItsFolder) {
  v1::Part part;
  for (const char* path : {"../x", "/etc/passwd", "", ".."}) {
    part.set_path(path);
    EXPECT_EQ(CheckPart("/tmp", part, false).code(),
              absl::StatusCode::kDataLoss)
        << path;
  }
}

TEST(ValidateManifestTest, FindsHolesBetweenTheRanks) {
  const testing::TempDir folder;
  v1::Manifest manifest =
      WriteSmallCheckpoint(folder.path(), 2, 1, /*commit=*/false);
  ASSERT_TRUE(ValidateManifest(manifest).ok());
  manifest.mutable_parameters(0)
      ->mutable_ranks(1)
      ->mutable_intervals(0)
      ->set_begin(6);
  EXPECT_THAT(ValidateManifest(manifest).message(),
              HasSubstr("no rank has position 5"));
}

TEST(ValidateManifestTest, WantsOnePartPerRank) {
  const testing::TempDir folder;
  v1::Manifest manifest =
      WriteSmallCheckpoint(folder.path(), 2, 1, /*commit=*/false);
  manifest.set_data_parallel_size(2);
  EXPECT_THAT(ValidateManifest(manifest).message(), HasSubstr("2 parts"));
}

}  // namespace
}  // namespace autotp::checkpoint
