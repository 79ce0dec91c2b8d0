#include "worker/agent/log_tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace autotp::agent {
namespace {

// Bytes that are not ASCII text become '?': a log may hold anything.
std::string Printable(absl::string_view line) {
  std::string text(line);
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte >= 0x7f) c = '?';
  }
  return text;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenLog(const std::string& path) {
  std::error_code error;
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::PermissionDeniedError(
        absl::StrCat("log folder ", folder.string(), ": ", error.message()));
  }
  UniqueFd log(
      open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log.valid())
    return absl::ErrnoToStatus(errno, absl::StrCat("log ", path));
  return log;
}

int64_t LogBytes(int descriptor) {
  struct stat info;
  return fstat(descriptor, &info) == 0 ? info.st_size : 0;
}

absl::StatusOr<std::string> ReadLog(int descriptor, int64_t offset,
                                    int64_t bytes_max) {
  std::string bytes(static_cast<size_t>(bytes_max), '\0');
  const ssize_t got = pread(descriptor, bytes.data(), bytes.size(), offset);
  if (got < 0) return absl::ErrnoToStatus(errno, "read of a log");
  bytes.resize(static_cast<size_t>(got));
  return bytes;
}

std::vector<std::string> LastLines(int descriptor, int64_t from,
                                   int lines_max) {
  const int64_t end = LogBytes(descriptor);
  const int64_t begin = std::max(from, end - kLogTailBytesMax);
  if (begin >= end) return {};
  const auto bytes = ReadLog(descriptor, begin, end - begin);
  if (!bytes.ok()) return {bytes.status().ToString()};
  std::vector<std::string> lines;
  for (const absl::string_view line :
       absl::StrSplit(*bytes, '\n', absl::SkipWhitespace())) {
    lines.push_back(Printable(line));
  }
  if (begin > from && !lines.empty()) lines.erase(lines.begin());  // cut short
  const auto surplus =
      std::max<std::ptrdiff_t>(0, std::ssize(lines) - lines_max);
  lines.erase(lines.begin(), lines.begin() + surplus);
  return lines;
}

}  // namespace autotp::agent
