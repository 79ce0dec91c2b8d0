// Goal: a file exists whole or not at all, and a full disk is said clearly.
// Method: a real folder; RLIMIT_FSIZE in a child process plays the full disk.
#include "worker/checkpoint/output_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/unit/worker/checkpoint/files.h"

namespace autotp::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(OutputFileTest, AppearsOnCommitWithItsDigest) {
  const testing::TempDir folder;
  auto file = OutputFile::Create(folder / "a", OutputFile::Mode::kReplace);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Append("hello ").ok());
  ASSERT_TRUE((*file)->Append("world").ok());
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
  ASSERT_TRUE((*file)->Commit().ok());
  EXPECT_EQ(ReadFile(folder / "a"), "hello world");
  EXPECT_EQ((*file)->size_bytes(), 11);
  // XXH3-128 of "hello world", as the xxhsum tool prints it.
  EXPECT_EQ((*file)->Digest(), "df8d09e93f874900a99b8775cc15b6c7");
  EXPECT_EQ(DigestFile(folder / "a").value(), (*file)->Digest());
}

TEST(OutputFileTest, LeavesNothingWithoutCommit) {
  const testing::TempDir folder;
  {
    auto file = OutputFile::Create(folder / "a", OutputFile::Mode::kReplace);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Append("half").ok());
  }
  EXPECT_THAT(Names(folder.path()), IsEmpty());
}

TEST(OutputFileTest, KeepsTheFirstOfTwoThatAreCreateOnly) {
  const testing::TempDir folder;
  WriteFile(folder / "a", "first");
  auto file = OutputFile::Create(folder / "a", OutputFile::Mode::kCreateOnly);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append("second").ok());
  EXPECT_EQ((*file)->Commit().code(), absl::StatusCode::kAlreadyExists);
  file->reset();
  EXPECT_EQ(ReadFile(folder / "a"), "first");
  EXPECT_THAT(Names(folder.path()), ElementsAre("a"));
}

TEST(OutputFileTest, SaysWhichFolderIsMissing) {
  const absl::Status status =
      OutputFile::Create("/nonexistent/a", OutputFile::Mode::kReplace).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/nonexistent/a"));
}

TEST(FileErrorTest, TellsAFullDiskAndWhatToDo) {
  const absl::Status status = FileError("/data/part", "write", ENOSPC);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("/data/part: cannot write"),
                    HasSubstr("No space left"), HasSubstr("free some space")));
}

// 0: as it should be; the child's exit code.
int WriteBeyondTheLimit(const std::string& path) {
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {4096, 4096};
  setrlimit(RLIMIT_FSIZE, &limit);
  auto file = OutputFile::Create(path, OutputFile::Mode::kReplace);
  if (!file.ok()) return 1;
  const std::vector<char> data(1 << 16, 'x');
  const absl::Status status = (*file)->Append(data.data(), data.size());
  if (status.code() != absl::StatusCode::kResourceExhausted) return 2;
  file->reset();
  return std::filesystem::exists(path + ".partial") ? 3 : 0;
}

TEST(OutputFileTest, LeavesNothingWhenTheDiskIsFull) {
  const testing::TempDir folder;
  const pid_t child = fork();
  if (child == 0) _exit(WriteBeyondTheLimit(folder / "a"));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_THAT(Names(folder.path()), IsEmpty());
}

}  // namespace
}  // namespace autotp::checkpoint
