// Goal: only folders whose manifest and parts are whole are checkpoints.
#include "coordinator/engine/checkpoint_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"

namespace autotp::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

class CheckpointFolderTest : public ::testing::Test {
 protected:
  // A checkpoint of one part with `bytes` bytes, of which the manifest says
  // that it has 4.
  std::string Make(const std::string& name, int step, int bytes = 4) {
    const fs::path path = folder_.path() / "checkpoints" / name;
    fs::create_directories(path);
    std::ofstream(path / "rank-0") << std::string(bytes, 'x');
    std::ofstream(path / "MANIFEST.json")
        << "{\"step\": \"" << step
        << "\", \"parts\": [{\"path\": \"rank-0\", \"sizeBytes\": \"4\"}], "
           "\"aFieldOfALaterVersion\": 1}";
    return path.string();
  }
  std::vector<core::FoundCheckpoint> Found() {
    return FindCheckpoints(folder_.path().string());
  }

  testing::TempDir folder_;
};

TEST_F(CheckpointFolderTest, WholeOnesAreFoundInOrderOfTheirNames) {
  const std::string b = Make("step-2-b", 2);
  const std::string a = Make("step-1-a", 1);
  const auto found = Found();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].path, a);
  EXPECT_EQ(found[0].step, 1);
  EXPECT_EQ(found[1].path, b);
}

TEST_F(CheckpointFolderTest, HalfOnesAreLeftOut) {
  Make("short", 1, /*bytes=*/3);
  fs::remove(fs::path(Make("no-manifest", 2)) / "MANIFEST.json");
  fs::remove(fs::path(Make("no-part", 3)) / "rank-0");
  std::ofstream(fs::path(Make("no-json", 4)) / "MANIFEST.json") << "{\"st";
  std::ofstream(fs::path(Make("no-parts", 5)) / "MANIFEST.json") << "{}";
  std::ofstream(folder_.path() / "checkpoints" / "a-file") << "x";
  EXPECT_THAT(Found(), IsEmpty());
  Make("whole", 6);
  EXPECT_THAT(Found(), ElementsAre(Field(&core::FoundCheckpoint::step, 6)));
}

TEST_F(CheckpointFolderTest, NoFolderIsNoCheckpoint) {
  EXPECT_THAT(Found(), IsEmpty());
  EXPECT_THAT(FindCheckpoints("/none"), IsEmpty());
}

TEST_F(CheckpointFolderTest, RemovedOneIsGoneAndMayBeRemovedAgain) {
  const std::string path = Make("a", 1);
  EXPECT_TRUE(RemoveCheckpoint(path).ok());
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(RemoveCheckpoint(path).ok());
}

}  // namespace
}  // namespace autotp::engine
