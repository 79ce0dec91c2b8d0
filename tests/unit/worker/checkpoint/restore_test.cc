// Goal: what any layout saved, any layout reads, bit for bit, reading no byte
// that it does not need.
// Method: a small model with every kind of cut, saved and read at all pairs of
// six layouts.
#include "worker/checkpoint/restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/unit/worker/checkpoint/small_checkpoint.h"

namespace autotp::checkpoint {
namespace {

using ::testing::HasSubstr;

struct Layout {
  int tp;
  int dp;
};

constexpr Layout kLayouts[] = {{1, 1}, {2, 1}, {1, 3}, {2, 2}, {3, 2}, {4, 1}};

void ExpectReads(CheckpointReader& reader, Layout layout) {
  for (const SmallParameter& parameter : SmallModel(layout.tp)) {
    for (int rank = 0; rank < layout.tp * layout.dp; ++rank) {
      const Slice slice = SliceAt(parameter, rank % layout.tp);
      const Range range = OwnedRange(ElementCount(parameter.shape, slice),
                                     rank / layout.tp, layout.dp);
      for (const char* state : {kWeight, "exp_avg", "exp_avg_sq"}) {
        std::vector<float> values(range.size());
        const int64_t before = reader.bytes_read();
        const absl::Status status =
            reader.Read(parameter.name, state, slice, range, values.data());
        ASSERT_TRUE(status.ok()) << status;
        EXPECT_EQ(values, ValuesOf(parameter, state, slice, range))
            << parameter.name << " rank " << rank;
        EXPECT_EQ(reader.bytes_read() - before, 4 * range.size());
      }
    }
  }
}

TEST(CheckpointReaderTest, ReadsEveryLayoutAtEveryLayout) {
  for (const Layout saved : kLayouts) {
    const testing::TempDir folder;
    WriteSmallCheckpoint(folder.path(), saved.tp, saved.dp);
    auto reader =
        CheckpointReader::Open(folder / kManifestName, Verify::kDigests);
    ASSERT_TRUE(reader.ok()) << reader.status();
    for (const Layout wanted : kLayouts) {
      SCOPED_TRACE(::testing::Message()
                   << "saved at " << saved.tp << " x " << saved.dp
                   << ", read at " << wanted.tp << " x " << wanted.dp);
      ExpectReads(**reader, wanted);
    }
  }
}

TEST(CheckpointReaderTest, SaysWhatTheCheckpointLacks) {
  const testing::TempDir folder;
  WriteSmallCheckpoint(folder.path(), 2, 1);
  auto reader = CheckpointReader::Open(folder / kManifestName);
  ASSERT_TRUE(reader.ok());
  float out[64];
  EXPECT_EQ((*reader)->Read("other", kWeight, {}, {0, 1}, out).code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(
      (*reader)->Read("norm.weight", "momentum", {}, {0, 1}, out).message(),
      HasSubstr("no momentum of norm.weight"));
  EXPECT_EQ((*reader)->Read("norm.weight", kWeight, {}, {0, 6}, out).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CheckpointReaderTest, FindsElementsThatNoPartHolds) {
  const testing::TempDir folder;
  v1::Manifest manifest =
      WriteSmallCheckpoint(folder.path(), 1, 1, /*commit=*/false);
  const std::vector<float> values(3, 1.0f);
  *manifest.mutable_parts(0) =
      WritePart(folder.path(), 0,
                {{kWeight, "norm.weight", {0, 3}, values.data()}})
          .value();
  ASSERT_TRUE(WriteManifest(folder.path(), manifest).ok());
  auto reader = CheckpointReader::Open(folder / kManifestName);
  ASSERT_TRUE(reader.ok()) << reader.status();
  float out[5];
  EXPECT_TRUE((*reader)->Read("norm.weight", kWeight, {}, {0, 3}, out).ok());
  EXPECT_THAT(
      (*reader)->Read("norm.weight", kWeight, {}, {0, 5}, out).message(),
      HasSubstr("no part holds element 3"));
}

}  // namespace
}  // namespace autotp::checkpoint
