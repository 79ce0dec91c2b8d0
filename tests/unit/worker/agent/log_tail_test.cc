// Goal: a failure shows the last lines of this attempt's log, whatever bytes
// are in it.
#include "worker/agent/log_tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "tests/support/temp_dir.h"

namespace autotp::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LogTailTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) {
    ASSERT_EQ(write(log_->get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  testing::TempDir folder_;
  absl::StatusOr<UniqueFd> log_ = OpenLog(folder_ / "new/folder/rank-0.log");
};

TEST_F(LogTailTest, LastLinesOfThisAttempt) {
  ASSERT_TRUE(log_.ok()) << log_.status();
  Write("an older attempt\n");
  const int64_t begin = LogBytes(log_->get());
  EXPECT_THAT(LastLines(log_->get(), begin, 5), IsEmpty());
  Write("one\ntwo\n\nthree");
  EXPECT_THAT(LastLines(log_->get(), begin, 2), ElementsAre("two", "three"));
  EXPECT_THAT(LastLines(log_->get(), begin, 9),
              ElementsAre("one", "two", "three"));
}

TEST_F(LogTailTest, BytesThatAreNoTextAreMarked) {
  Write("bad \xff\x01 byte\n");
  EXPECT_THAT(LastLines(log_->get(), 0, 9), ElementsAre("bad ?? byte"));
}

TEST_F(LogTailTest, LongLogsAreCutAtALine) {
  Write(std::string(kLogTailBytesMax, 'x') + "\nlast\n");
  EXPECT_THAT(LastLines(log_->get(), 0, 9), ElementsAre("last"));
}

TEST_F(LogTailTest, ChunksAreBounded) {
  Write("0123456789");
  EXPECT_EQ(*ReadLog(log_->get(), 2, 3), "234");
  EXPECT_EQ(*ReadLog(log_->get(), 10, 3), "");
}

TEST_F(LogTailTest, UnwritableFolderIsNamed) {
  const auto log = OpenLog("/proc/none/rank-0.log");
  ASSERT_FALSE(log.ok());
  EXPECT_THAT(std::string(log.status().message()),
              ::testing::HasSubstr("/proc/none"));
}

}  // namespace
}  // namespace autotp::agent
