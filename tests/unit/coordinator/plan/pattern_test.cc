#include "coordinator/plan/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace autotp::plan {
namespace {

using ::testing::HasSubstr;

TEST(PatternTest, MatchesAsPythonsMatchDoes) {
  struct Case {
    std::string pattern;
    std::string name;
    bool matches;
  };
  for (const Case& c : std::vector<Case>{
           {"model", "model.norm.weight", true},  // open at the end
           {"norm", "model.norm.weight", false},  // anchored at the start
           {".*norm", "model.norm.weight", true},
           {".*q_proj$", "a.q_proj.weight", false},
           {R"(.*\.\d+\.x)", "a.12.x", true},
           {R"(a\.(b|c)\Z)", "a.c", true},
           {R"(a\.(b|c)\Z)", "a.cd", false},
           {"a{,2}b", "aab", true},
           {"a{,2}b$", "aaab", false},
           {"a{2}b", "aab", true},
           {"[[a]b", "[b", true},
           {"a{x}", "a{x}", true},
           {"(?P<layer>[0-9]+)z", "12z", true},
           {"(?i)MODEL", "model", true},
           {"a*?b", "aab", true},
           {R"(\++x)", "++x", true}}) {
    const auto pattern = Pattern::Compile(c.pattern);
    ASSERT_TRUE(pattern.ok()) << c.pattern << ": " << pattern.status();
    EXPECT_EQ(pattern->Matches(c.name), c.matches)
        << c.pattern << " on " << c.name;
  }
}

TEST(PatternTest, RefusesByName) {
  struct Case {
    std::string pattern;
    std::string construct;
  };
  for (const Case& c :
       std::vector<Case>{{"a(?=b)", "look-ahead \"(?=\""},
                         {"a(?!b)", "look-ahead \"(?!\""},
                         {"(?<=a)b", "look-behind \"(?<=\""},
                         {"(?<!a)b", "look-behind \"(?<!\""},
                         {R"((a)\1)", "back-reference \"\\1\""},
                         {"(?P<x>a)(?P=x)", "back-reference \"(?P=\""},
                         {"a++", "possessive quantifier \"++\""},
                         {"(?>a)", "atomic group"},
                         {"(a)?(?(1)b|c)", "condition"},
                         {"(?x)a", "flag \"(?x\""},
                         {"a**", "multiple repeat"},
                         {R"(\pN)", "escape \"\\p\""},
                         {"[[:alpha:]]", "character class"},
                         {"(a", "missing"},
                         {"a\\", "backslash"},
                         {"[a", "missing"},
                         {"*a", ""}}) {
    const auto pattern = Pattern::Compile(c.pattern);
    ASSERT_FALSE(pattern.ok()) << c.pattern;
    EXPECT_THAT(std::string(pattern.status().message()), HasSubstr(c.construct))
        << c.pattern;
  }
}

}  // namespace
}  // namespace autotp::plan
