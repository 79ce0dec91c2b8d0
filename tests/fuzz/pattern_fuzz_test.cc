// Patterns of partition_config out of anything: each compiles or is refused
// with words, in bounded time and memory, and what compiles matches the same
// way every time.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/plan/pattern.h"
#include "coordinator/plan/pattern_translator.h"

namespace autotp::plan {
namespace {

constexpr uint64_t kPatterns = 60000;
// No translation makes a character longer than this.
constexpr size_t kMostGrowth = 12;

class RandomPattern {
 public:
  explicit RandomPattern(uint64_t seed) : random_(seed) {}

  std::string Make() {
    std::string text;
    if (Pick(3) == 0) text = Seeds()[Pick(Seeds().size())];
    for (size_t i = Pick(12); i > 0; --i) {
      switch (Pick(4)) {
        case 0:
          text.insert(Pick(text.size() + 1), Pieces()[Pick(Pieces().size())]);
          break;
        case 1:
          text.insert(Pick(text.size() + 1), 1, static_cast<char>(Pick(256)));
          break;
        case 2:
          if (!text.empty()) text.erase(Pick(text.size()), 1 + Pick(3));
          break;
        default:
          if (text.size() < 200) text += text.substr(Pick(text.size() + 1));
          text += Pieces()[Pick(Pieces().size())];
      }
    }
    return text;
  }

 private:
  size_t Pick(size_t count) {
    return std::uniform_int_distribution<size_t>(0, count - 1)(random_);
  }

  static const std::vector<std::string>& Seeds() {
    static const auto* const seeds = new std::vector<std::string>{
        R"(.*\.self_attn\.[qkv]_proj\.weight$)",
        R"(.*\.mlp\.(up|gate)_proj\.weight$)",
        R"(model\.layers\.(?P<layer>\d+)\..*)",
        R"((?i:MODEL)\.(?:a|b){2,3}?\Z)", R"([^\]a-z\d_]+\x41\u0042\103)"};
    return *seeds;
  }

  static const std::vector<std::string>& Pieces() {
    static const auto* const pieces = new std::vector<std::string>{
        "(",    ")",      "[",    "]",    "{",    "}",      "*",          "+",
        "?",    "|",      "^",    "$",    "\\",   ".",      ",",          "-",
        "(?",   "(?:",    "(?i)", "(?m:", "(?#",  "(?P<",   ">",          "(?=",
        "(?<!", "(?>",    "{2,}", "{,3}", "{99}", "{1000}", "\\d",        "\\1",
        "\\x",  "\\u00",  "[^",   "[]",   "[[",   "[:",     "\\Z",        "\\b",
        "a",    "layers", "\\.",  "0",    "\n",   "é",      "\\x{10ffff}"};
    return *pieces;
  }

  std::mt19937_64 random_;
};

TEST(PatternFuzzTest, CompilesOrSaysWhyNot) {
  const std::vector<std::string> names = {
      "model.layers.0.self_attn.q_proj.weight", "", "a\n",
      std::string(2000, 'a')};
  int compiled = 0;
  int refused = 0;
  for (uint64_t seed = 0; seed < kPatterns; ++seed) {
    const std::string text = RandomPattern(seed).Make();
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const auto translated = ToRe2(text);
    if (translated.ok()) {
      EXPECT_LE(translated->size(), kMostGrowth * text.size());
    }
    const auto pattern = Pattern::Compile(text);
    if (!pattern.ok()) {
      ++refused;
      EXPECT_FALSE(pattern.status().message().empty());
      continue;
    }
    ++compiled;
    EXPECT_TRUE(translated.ok());
    for (const std::string& name : names) {
      EXPECT_EQ(pattern->Matches(name), pattern->Matches(name));
    }
  }
  EXPECT_GT(compiled, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace autotp::plan
