// Goal: what was not written for longest is forgotten first.
#include "coordinator/engine/telemetry.h"

#include <gtest/gtest.h>

#include <string>

namespace autotp::engine {
namespace {

TEST(RecentTest, ForgetsWhatWasNotWrittenForLongest) {
  Recent<std::string, int> recent(2);
  recent.Write("a") = 1;
  recent.Write("b") = 2;
  ++recent.Write("a");
  recent.Write("c") = 3;
  ASSERT_NE(recent.Find("a"), nullptr);
  EXPECT_EQ(*recent.Find("a"), 2);
  EXPECT_EQ(recent.Find("b"), nullptr);
  EXPECT_EQ(*recent.Find("c"), 3);
}

TEST(RecentTest, MakesAValueOnce) {
  Recent<LogKey, LogBuffer> recent(8);
  const LogKey key{"jobs/a", 1, 0};
  recent.Write(key, size_t{100}).Append(0, "kept");
  recent.Write(key, size_t{5});
  EXPECT_EQ(recent.Find(key)->end(), 4);
  EXPECT_EQ(recent.Find({"jobs/a", 2, 0}), nullptr);
}

}  // namespace
}  // namespace autotp::engine
