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
           {R"(\++x)", "++x", true},
           // "$" also before a final newline, "\Z" not.
           {"a$", "a", true},
           {"a$", "a\n", true},
           {"a$", "a\n\n", false},
           {"a$", "a\nb", false},
           {"(?m)a$", "a\nb", true},
           {"(?m:a$)\\nb$", "a\nb", true},
           {R"(a\Z)", "a\n", false},
           {"(a$|b)", "a\n", true},
           {"[a$]$", "$", true},
           {R"(a\$)", "a$", true},
           {"a{02}$", "aa", true},
           {"a{02}$", "a", false},
           {"a{,}b", "aaab", true},
           {"{a}", "{a}", true},
           {"a{2", "a{2", true},
           {"a{1,2,3}", "a{1,2,3}", true},
           {"a(?#two of them){2}$", "aa", true},
           {"(?#c)a", "a", true},
           {"(?:ab)+$", "abab", true},
           {"(?i:A)b", "ab", true},
           {"(?i:A)b", "aB", false},
           {"(?ai)A", "a", true},
           {"(?-i:a)", "a", true},
           {"[]a]+$", "]a", true},
           {"[^]a]", "]", false},
           {R"([\]x]+$)", "]x", true},
           {R"([\b])", "\b", true},
           {R"(\x41\u0042\103)", "ABC", true},
           {R"(\0)", std::string(1, '\0'), true},
           {R"(\_\-\.)", "_-.", true},
           {R"(a|b\.c)", "b.c", true},
           {"", "anything", true},
           {".*", "a\nb", true}}) {
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
                         {"a*+", "possessive quantifier \"*+\""},
                         {"a?+", "possessive quantifier"},
                         {"a{2}+", "possessive quantifier"},
                         {"ab(?=c)", "(at character 3)"},
                         {"(?>a)", "atomic group"},
                         {"(a)?(?(1)b|c)", "condition"},
                         {"(?x)a", "flag \"(?x\""},
                         {"a**", "multiple repeat"},
                         {R"(\pN)", "escape \"\\p\""},
                         {"[[:alpha:]]", "character class"},
                         {"(a", "missing"},
                         {"a\\", "backslash"},
                         {"[a", "missing"},
                         {"*a", "nothing to repeat"},
                         {"a|*", "nothing to repeat"},
                         {"(+a)", "nothing to repeat"},
                         {"^*a", "nothing to repeat"},
                         {"a$*", "nothing to repeat"},
                         {R"(\b+)", "nothing to repeat"},
                         {"{2}", "nothing to repeat"},
                         {"a*??", "multiple repeat"},
                         {"a{2}{3}", "multiple repeat"},
                         {"a{1001}", "up to 1000"},
                         {"a{99999999999999999999}", "up to 1000"},
                         {"a{3,2}", "{3,2}"},
                         {"b(?i)a", "flag behind the beginning"},
                         {"(?-i)a", "flag"},
                         {"(?L)a", "flag"},
                         {"(?i", "missing )"},
                         {"(?#a", "missing )"},
                         {"(?<n>a)", "group"},
                         {"(?P<n>a)(?P<n>b)",
                          "group name \"n\" is there a "
                          "second time (at character 9)"},
                         {"(?P<1>a)", "group name \"1\""},
                         {"(?P<n", "unterminated group name"},
                         {R"([\pN])", "escape"},
                         {R"([\Z])", "escape"},
                         {R"(\z)", "escape"},
                         {R"(\x4)", "escape"},
                         {R"(\x{41})", "escape"},
                         {R"([\1])", "escape"},
                         {"[a\\", "backslash"},
                         {"[]", "missing"},
                         {"[z-a]", "z-a"},
                         {"a)", ")"},
                         {"(", "missing"},
                         {"((a{1000}){1000}){1000}", ""}}) {
    const auto pattern = Pattern::Compile(c.pattern);
    ASSERT_FALSE(pattern.ok()) << c.pattern;
    EXPECT_THAT(std::string(pattern.status().message()), HasSubstr(c.construct))
        << c.pattern;
  }
}

}  // namespace
}  // namespace autotp::plan
