#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace autotp::testing {
namespace {

bool Updates() {
  const char* update = std::getenv("AUTOTP_UPDATE_GOLDEN");
  return update != nullptr && std::string(update) == "1";
}

// "line 3 is 'x', expected 'y'".
std::string FirstDifference(const std::string& actual,
                            const std::string& expected) {
  std::istringstream actual_lines(actual);
  std::istringstream expected_lines(expected);
  for (int line = 1;; ++line) {
    std::string a;
    std::string b;
    const bool more_a = static_cast<bool>(std::getline(actual_lines, a));
    const bool more_b = static_cast<bool>(std::getline(expected_lines, b));
    if (!more_a && !more_b) return "only the last line's end differs";
    if (more_a == more_b && a == b) continue;
    std::ostringstream text;
    text << "line " << line << " is " << (more_a ? "'" + a + "'" : "missing")
         << ", expected " << (more_b ? "'" + b + "'" : "no more lines");
    return text.str();
  }
}

}  // namespace

std::string GoldenPath(const std::string& name) {
  const char* source = std::getenv("AUTOTP_SOURCE_DIR");
  const std::filesystem::path root = source == nullptr ? "." : source;
  return (root / "tests" / "golden" / name).string();
}

void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path = GoldenPath(name);
  if (Updates()) {
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    std::ofstream out(path, std::ios::binary);
    out << text;
    EXPECT_TRUE(out.flush().good()) << "cannot write " << path;
    return;
  }
  std::ifstream in(path, std::ios::binary);
  ASSERT_TRUE(in.good()) << "cannot read " << path
                         << "; make it with AUTOTP_UPDATE_GOLDEN=1";
  std::ostringstream expected;
  expected << in.rdbuf();
  if (text == expected.str()) return;
  ADD_FAILURE() << path << ": " << FirstDifference(text, expected.str())
                << "\nif that is meant, run again with "
                   "AUTOTP_UPDATE_GOLDEN=1 and read the difference";
}

}  // namespace autotp::testing
