#include "client/cli/sibling_program.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace autotp::cli {

namespace fs = std::filesystem;

absl::StatusOr<std::string> SiblingProgram(const std::string& name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path program = self.parent_path() / name;
  if (error || !fs::exists(program, error)) {
    return absl::FailedPreconditionError(
        absl::StrCat(program.string(),
                     ": not found; autotp, autotp-coordinator, "
                     "autotp-worker and autotp-trainer belong in one folder"));
  }
  return program.string();
}

absl::StatusOr<int> RunProgram(std::vector<std::string> arguments) {
  std::vector<char*> raw;
  for (std::string& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  pid_t child = 0;
  const int failed =
      posix_spawn(&child, raw[0], nullptr, nullptr, raw.data(), environ);
  if (failed != 0) return absl::ErrnoToStatus(failed, arguments[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "waitpid");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace autotp::cli
