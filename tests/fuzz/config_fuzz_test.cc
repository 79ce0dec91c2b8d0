// Goal: whatever bytes a user sends as a DeepSpeed JSON, the answer is a
// configuration or diagnostics.
// Method: mutations of the corpus of real configs.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "coordinator/config/key_table.h"
#include "coordinator/config/read_config.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/golden.h"

namespace autotp::config {
namespace {

namespace fs = std::filesystem;

testing::FuzzOptions Options() {
  testing::FuzzOptions options;
  options.rounds = 15000;
  for (const auto& entry :
       fs::directory_iterator(testing::GoldenPath("configs"))) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    options.corpus.emplace_back(std::istreambuf_iterator<char>(file),
                                std::istreambuf_iterator<char>());
  }
  // A folder is listed in no order.
  std::sort(options.corpus.begin(), options.corpus.end());
  options.tokens = {"{",  "}",  "[",    "]",        ",",    ":",       "\"",
                    "//", "/*", "null", "\"auto\"", "true", "{\"a\":", "[["};
  for (const KeyEntry& entry : KeyTable()) {
    options.tokens.push_back(absl::StrCat("\"", entry.key, "\": 1, "));
    if (!entry.default_value.empty()) {
      options.tokens.emplace_back(entry.default_value);
    }
  }
  return options;
}

void ReadAndCheck(const std::string& text) {
  const JobFacts job{8, 100};
  Diagnostics diagnostics;
  const ConfigResult result = ReadConfig(text, "fuzz.json", job, &diagnostics);
  EXPECT_EQ(result.training.has_value(), !diagnostics.has_error());
  for (const v1::Diagnostic& diagnostic : diagnostics.all()) {
    EXPECT_GE(diagnostic.line(), 1) << diagnostic.ShortDebugString();
    EXPECT_GE(diagnostic.column(), 1) << diagnostic.ShortDebugString();
    EXPECT_LT(diagnostic.message().size(), 2000u);
    EXPECT_FALSE(diagnostic.reason().empty());
  }
  if (!result.training.has_value()) return;
  Diagnostics again;
  const ConfigResult twice =
      ReadConfig(result.effective_json, "effective.json", job, &again);
  ASSERT_TRUE(twice.training.has_value()) << result.effective_json;
  EXPECT_EQ(twice.effective_json, result.effective_json);
}

TEST(ConfigFuzzTest, AnyBytesEndInAnAnswer) {
  testing::Fuzz(Options(), ReadAndCheck);
}

}  // namespace
}  // namespace autotp::config
