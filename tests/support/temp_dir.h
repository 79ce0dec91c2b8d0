// temp_dir.h -- a folder of a test's own, removed with its contents.
#ifndef AUTOTP_TESTS_SUPPORT_TEMP_DIR_H_
#define AUTOTP_TESTS_SUPPORT_TEMP_DIR_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include "proto/support/check.h"

namespace autotp::testing {

class TempDir {
 public:
  TempDir() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "autotp-XXXXXX").string();
    AUTOTP_CHECK(mkdtemp(pattern.data()) != nullptr, pattern);
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;  // a leftover in /tmp fails no test
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_TEMP_DIR_H_
