// Goal: tables line up and carry no trailing space.
// Method: exact text.
#include "client/cli/table.h"

#include <gtest/gtest.h>

namespace autotp::cli {
namespace {

TEST(RenderTableTest, AlignsColumnsWithoutTrailingSpaces) {
  EXPECT_EQ(RenderTable({"NAME", "N", "NOTE"},
                        {{"a", "1000", "x"}, {"longer", "2", ""}}),
            "NAME    N     NOTE\n"
            "a       1000  x\n"
            "longer  2\n");
}

TEST(RenderTableTest, WrapsTheLastColumnWithinTheWidth) {
  EXPECT_EQ(
      RenderTable({"NAME", "WHY"},
                  {{"a", "one two three four five six seven"}, {"b", "short"}},
                  {.width = 30}),
      "NAME  WHY\n"
      "a     one two three four five\n"
      "      six seven\n"
      "b     short\n");
}

TEST(HumanBytesTest, PicksTheUnit) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(3.0 * (1LL << 40)), "3.0 TiB");
}

}  // namespace
}  // namespace autotp::cli
