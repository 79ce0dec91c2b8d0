#include "coordinator/config/key_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/auto_values.h"
#include "coordinator/config/json_document.h"
#include "coordinator/config/key_page.h"
#include "proto/support/nearest.h"
#include "tests/support/golden.h"

namespace autotp::config {
namespace {

TEST(KeyTableTest, EveryKeyOfDeepSpeedIsAnswered) {
  std::ifstream file(testing::GoldenPath("deepspeed_keys.txt"));
  std::string section;
  int keys = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      section = line.substr(1, line.size() - 2);
      continue;
    }
    ++keys;
    EXPECT_NE(FindKey(section, line), nullptr)
        << section << ": " << line << " has no row in coordinator/config/keys";
  }
  EXPECT_GT(keys, 400);
}

TEST(KeyTableTest, RowsAreUniqueAndSayWhy) {
  std::set<std::string> seen;
  for (const KeyEntry& entry : KeyTable()) {
    const std::string name = absl::StrCat(entry.section, "/", entry.key);
    EXPECT_TRUE(seen.insert(name).second) << name << " stands twice";
    if (entry.effect != KeyEffect::kHonoured) {
      EXPECT_FALSE(entry.text.empty()) << name << " does not say why";
    }
    EXPECT_FALSE(absl::EndsWith(entry.text, ".")) << name;
  }
}

TEST(KeyTableTest, DefaultsHaveTheirType) {
  for (const KeyEntry& entry : KeyTable()) {
    if (entry.default_value.empty()) continue;
    Diagnostics diagnostics;
    const auto value = JsonDocument::Parse(std::string(entry.default_value),
                                           "default", &diagnostics);
    ASSERT_TRUE(value.has_value()) << entry.key << " " << entry.default_value;
    const JsonNode& node = value->root();
    switch (entry.type.kind) {
      case KeyType::Kind::kBoolean:
        EXPECT_EQ(node.kind, JsonNode::Kind::kBoolean) << entry.key;
        break;
      case KeyType::Kind::kInteger:
        EXPECT_EQ(node.kind, JsonNode::Kind::kInteger) << entry.key;
        [[fallthrough]];
      case KeyType::Kind::kNumber:
        EXPECT_GE(node.number, entry.type.minimum) << entry.key;
        EXPECT_LE(node.number, entry.type.maximum) << entry.key;
        break;
      case KeyType::Kind::kChoice:
        EXPECT_TRUE(absl::StrContains(absl::AsciiStrToLower(entry.type.choices),
                                      absl::AsciiStrToLower(node.text)))
            << entry.key;
        break;
      case KeyType::Kind::kText:
        EXPECT_TRUE(node.is_string()) << entry.key;
        break;
      case KeyType::Kind::kList:
        EXPECT_TRUE(node.is_array()) << entry.key;
        break;
      case KeyType::Kind::kSection:
      case KeyType::Kind::kAnything:
        break;
    }
  }
}

TEST(KeyTableTest, SectionsHaveRowsOfTheirOwn) {
  for (const KeyEntry& entry : KeyTable()) {
    if (entry.type.kind != KeyType::Kind::kSection) continue;
    const std::string section = absl::StrCat(
        entry.section, entry.section.empty() ? "" : ".", entry.key);
    // Other names, and the parameters that depend on a type.
    if (section == "bfloat16" || section == "tensor_parallel.tensor_parallel" ||
        entry.key == "params") {
      continue;
    }
    EXPECT_FALSE(KeysOf(section).empty()) << section;
  }
}

TEST(KeyTableTest, AutosAreOfKnownKeys) {
  for (const AutoEntry& entry : AutoTable()) {
    bool known = false;
    for (const KeyEntry& row : KeyTable()) {
      known = known || (row.key == entry.key &&
                        FindAuto(row.section, row.key) == &entry);
    }
    EXPECT_TRUE(known) << entry.section << " " << entry.key;
  }
}

TEST(KeyTableTest, NearestForgivesSlipsOnly) {
  EXPECT_EQ(Nearest("gradient_cliping", KeysOf("")), "gradient_clipping");
  EXPECT_EQ(Nearest("Stage", KeysOf("zero_optimization")), "stage");
  EXPECT_EQ(Nearest("frobnicate", KeysOf("")), "");
}

TEST(KeyPageTest, IsTheTable) {
  testing::ExpectGolden("../../deploy/docs/deepspeed-config.md", KeyPage());
}

}  // namespace
}  // namespace autotp::config
