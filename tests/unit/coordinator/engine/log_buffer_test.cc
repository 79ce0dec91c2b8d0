// Goal: a buffer holds the newest bytes of a log at their own offsets,
// whatever comes twice, late or not at all.
#include "coordinator/engine/log_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace autotp::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string ReadFrom(const LogBuffer& log, int64_t offset,
                     size_t limit = 1'000) {
  return log.Read(offset, limit);
}

TEST(LogBufferTest, BytesThatAreHereAreSkipped) {
  LogBuffer log;
  log.Append(0, "abc");
  log.Append(0, "abc");
  log.Append(1, "bcde");
  log.Append(5, "");
  EXPECT_EQ(ReadFrom(log, 0), "abcde");
  EXPECT_EQ(log.begin(), 0);
  EXPECT_EQ(log.end(), 5);
}

TEST(LogBufferTest, AfterAGapTheOldBytesGo) {
  LogBuffer log;
  log.Append(0, "abc");
  log.Append(10, "xyz");
  EXPECT_EQ(log.begin(), 10);
  int64_t offset = 0;
  EXPECT_EQ(log.Read(offset, 100), "xyz");
  EXPECT_EQ(offset, 10) << "the reader learns where it is";
}

TEST(LogBufferTest, ReadsStopAtTheLimitAndAtTheEnd) {
  LogBuffer log;
  log.Append(0, "abcdef");
  EXPECT_EQ(ReadFrom(log, 2, 3), "cde");
  EXPECT_EQ(ReadFrom(log, 6), "");
  EXPECT_EQ(ReadFrom(log, 60), "");
}

TEST(LogBufferTest, NewestBytesStayWhateverComesIn) {
  constexpr size_t kBytesMax = 100;
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  LogBuffer log(kBytesMax);
  std::string all;
  for (int i = 0; i < 2'000; ++i) {
    // Chunks overlap what was sent before, as repeated calls do.
    const size_t again = std::min<size_t>(random() % 20, all.size());
    std::string chunk = all.substr(all.size() - again);
    for (size_t n = random() % 60; n > 0; --n) {
      chunk += static_cast<char>('a' + random() % 26);
    }
    log.Append(static_cast<int64_t>(all.size() - again), chunk);
    all += chunk.substr(again);
    ASSERT_EQ(log.end(), static_cast<int64_t>(all.size())) << "seed " << seed;
    const size_t held = static_cast<size_t>(log.end() - log.begin());
    ASSERT_GE(held, std::min(kBytesMax, all.size())) << "seed " << seed;
    ASSERT_LE(held, kBytesMax + kBytesMax / 4) << "seed " << seed;
    ASSERT_EQ(ReadFrom(log, log.begin()), all.substr(all.size() - held))
        << "seed " << seed;
  }
}

TEST(LogBufferTest, LastLines) {
  const auto lines = [](const std::string& text, size_t max) {
    LogBuffer log;
    log.Append(0, text);
    return log.LastLines(max);
  };
  EXPECT_THAT(lines("", 3), IsEmpty());
  EXPECT_THAT(lines("\n\n", 3), IsEmpty());
  EXPECT_THAT(lines("one", 3), ElementsAre("one"));
  EXPECT_THAT(lines("one\ntwo\n", 3), ElementsAre("one", "two"));
  EXPECT_THAT(lines("one\ntwo\nthree", 2), ElementsAre("two", "three"));
  EXPECT_THAT(lines("one\n\nthree\n\n", 2), ElementsAre("", "three"));
  EXPECT_THAT(lines("one\ntwo\n", 1), ElementsAre("two"));
  EXPECT_THAT(lines("one\ntwo\n", 0), IsEmpty());
}

}  // namespace
}  // namespace autotp::engine
