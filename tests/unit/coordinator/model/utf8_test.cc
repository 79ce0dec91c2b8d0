#include "coordinator/model/utf8.h"

#include <gtest/gtest.h>

namespace autotp::model {
namespace {

TEST(Utf8Test, KeepsCharactersOfEveryLength) {
  const std::string text = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80";
  EXPECT_TRUE(IsUtf8(text));
  EXPECT_EQ(ToUtf8(text), text);
  EXPECT_TRUE(IsUtf8(""));
}

TEST(Utf8Test, ReplacesWhatIsNone) {
  const char* const broken[] = {
      "\xFF",              // begins no character
      "\x80",              // goes on without a beginning
      "\xC3",              // ends too early
      "\xC0\x80",          // longer than needed
      "\xED\xA0\x80",      // a surrogate
      "\xF4\x90\x80\x80",  // beyond the last character
  };
  for (const char* text : broken) {
    EXPECT_FALSE(IsUtf8(text)) << testing::PrintToString(text);
    const std::string clean = ToUtf8(std::string("a") + text + "z");
    EXPECT_TRUE(IsUtf8(clean));
    EXPECT_EQ(clean.front(), 'a');
    EXPECT_EQ(clean.back(), 'z');
    EXPECT_EQ(clean[1], '?');
  }
}

}  // namespace
}  // namespace autotp::model
