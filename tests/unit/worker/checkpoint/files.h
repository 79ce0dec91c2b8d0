// files.h -- bytes of files, for the tests of this folder.
#ifndef AUTOTP_TESTS_UNIT_WORKER_CHECKPOINT_FILES_H_
#define AUTOTP_TESTS_UNIT_WORKER_CHECKPOINT_FILES_H_

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace autotp::checkpoint {

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline std::set<std::string> Names(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.insert(entry.path().filename());
  return names;
}

}  // namespace autotp::checkpoint

#endif  // AUTOTP_TESTS_UNIT_WORKER_CHECKPOINT_FILES_H_
