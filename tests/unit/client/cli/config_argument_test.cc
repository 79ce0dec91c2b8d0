// Goal: `--config` takes what DeepSpeed's launcher takes.
// Method: each form of one text, and what is none.
#include "client/cli/config_argument.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/escaping.h"
#include "tests/support/temp_dir.h"

namespace autotp::cli {
namespace {

using ::testing::HasSubstr;

// Its base64 has characters in which the two alphabets differ.
constexpr char kText[] = "{\"a\": \"\xC3\xBF\xC3\xBE?>~~\"}  // x";

TEST(ConfigArgumentTest, APathIsRead) {
  const testing::TempDir folder;
  const std::string path = folder / "ds.json";
  std::ofstream(path) << kText;
  const auto config = ReadConfigArgument(path);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->text, kText);
  EXPECT_EQ(config->name, path);
}

TEST(ConfigArgumentTest, TextAndBothBase64AlphabetsAreTaken) {
  const std::string commented = std::string("# a note\n") + kText;
  for (const std::string& argument :
       {std::string(kText), absl::Base64Escape(kText),
        absl::WebSafeBase64Escape(kText), " \n" + std::string(kText)}) {
    const auto config = ReadConfigArgument(argument);
    ASSERT_TRUE(config.ok()) << argument << ": " << config.status();
    EXPECT_THAT(config->text, HasSubstr(kText));
    EXPECT_EQ(config->name, "--config");
  }
  EXPECT_EQ(ReadConfigArgument(commented)->text, commented);
}

TEST(ConfigArgumentTest, AnythingElseIsAnError) {
  for (const std::string argument :
       {"/no/such/file.json", "ds_config.json", "", "bm90IGpzb24=", "[1]"}) {
    const auto config = ReadConfigArgument(argument);
    ASSERT_FALSE(config.ok()) << argument;
    EXPECT_THAT(std::string(config.status().message()),
                HasSubstr("no such file"));
  }
  EXPECT_LT(
      ReadConfigArgument(std::string(100000, 'x')).status().message().size(),
      200u);
}

}  // namespace
}  // namespace autotp::cli
