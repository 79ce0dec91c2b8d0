// Goal: patterns mean here what they mean to Python's re.match.
// Method: Python's recorded answers for some fifteen hundred patterns
// (tests/golden/patterns). Ours are the same, or the pattern is refused; and
// what Python takes is refused for a construct that is stated only.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "coordinator/plan/pattern.h"
#include "tests/support/golden.h"

namespace autotp::plan {
namespace {

// Of the documentation: deploy/docs/partition-rules.md.
const std::set<std::string> kRefused = {
    "look-ahead", "look-behind",  "back-reference",  "possessive quantifier",
    "condition",  "atomic group", "flag \"(?x",      "flag \"(?L",
    "up to 1000", "escape \"\\N", "character class", "behind \"$\""};

std::string RefusedFor(absl::string_view message) {
  for (const std::string& construct : kRefused) {
    if (absl::StrContains(message, construct)) return construct;
  }
  return "";
}

TEST(PythonReTest, SameAnswersOrARefusalByName) {
  std::ifstream file(testing::GoldenPath("patterns/python.json"));
  const nlohmann::json recorded = nlohmann::json::parse(file);
  int same = 0;
  int errors = 0;
  std::set<std::string> refused;
  for (const nlohmann::json& answer : recorded.at("answers")) {
    const auto text = answer.at("pattern").get<std::string>();
    const auto pattern = Pattern::Compile(text);
    if (answer.contains("error")) {
      EXPECT_FALSE(pattern.ok())
          << text << ": Python says " << answer.at("error");
      ++errors;
      continue;
    }
    if (!pattern.ok()) {
      const std::string construct = RefusedFor(pattern.status().message());
      EXPECT_NE(construct, "") << text << ": " << pattern.status();
      refused.insert(construct);
      continue;
    }
    std::string matches;
    for (const nlohmann::json& name : recorded.at("names"))
      matches += pattern->Matches(name.get<std::string>()) ? '1' : '0';
    EXPECT_EQ(matches, answer.at("matches").get<std::string>()) << text;
    ++same;
  }
  EXPECT_GE(same, 800);
  EXPECT_GE(errors, 300);
  EXPECT_GE(refused.size(), 8u);
}

}  // namespace
}  // namespace autotp::plan
