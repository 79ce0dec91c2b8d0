#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/check.h"

extern char** environ;

namespace autotp::testing {
namespace {

std::string TempFile() {
  std::string pattern = "/tmp/autotp-process-XXXXXX";
  const int fd = mkstemp(pattern.data());
  AUTOTP_CHECK(fd >= 0, pattern);
  close(fd);
  return pattern;
}

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  AUTOTP_CHECK(value != nullptr, name, " is not set; run the test by ctest");
  return value;
}

}  // namespace

Subprocess::Subprocess(std::vector<std::string> argv)
    : output_path_(TempFile()), errors_path_(TempFile()) {
  std::vector<char*> raw;
  for (std::string& argument : argv) raw.push_back(argument.data());
  raw.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                   O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO,
                                   output_path_.c_str(), O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO,
                                   errors_path_.c_str(), O_WRONLY, 0);
  const int error =
      posix_spawn(&pid_, raw[0], &actions, nullptr, raw.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  AUTOTP_CHECK(error == 0, argv[0], ": ", strerror(error));
}

Subprocess::~Subprocess() {
  if (!Reap(/*block=*/false)) {
    Signal(SIGKILL);
    Reap(/*block=*/true);
  }
  unlink(output_path_.c_str());
  unlink(errors_path_.c_str());
}

void Subprocess::Signal(int signal) {
  if (!ended_) kill(pid_, signal);
}

bool Subprocess::Running() { return !Reap(/*block=*/false); }

std::string Subprocess::Output() const { return ReadFileOrEmpty(output_path_); }
std::string Subprocess::Errors() const { return ReadFileOrEmpty(errors_path_); }

bool Subprocess::Reap(bool block) {
  if (ended_) return true;
  if (waitpid(pid_, &wait_status_, block ? 0 : WNOHANG) == pid_) ended_ = true;
  return ended_;
}

absl::StatusOr<ExitStatus> Subprocess::Wait(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!Reap(/*block=*/false)) {
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "process ", pid_, " still runs after ", absl::FormatDuration(timeout),
          ":\n", Output(), Errors()));
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
  ExitStatus status;
  if (WIFEXITED(wait_status_)) status.code = WEXITSTATUS(wait_status_);
  if (WIFSIGNALED(wait_status_)) status.signal = WTERMSIG(wait_status_);
  status.output = Output();
  status.errors = Errors();
  return status;
}

absl::StatusOr<ExitStatus> RunCommand(std::vector<std::string> argv,
                                      absl::Duration timeout) {
  Subprocess process(std::move(argv));
  return process.Wait(timeout);
}

std::string ProgramPath(const std::string& name) {
  return absl::StrCat(FromEnvironment("AUTOTP_BIN_DIR"), "/", name);
}

std::string SourcePath(const std::string& name) {
  return absl::StrCat(FromEnvironment("AUTOTP_SOURCE_DIR"), "/", name);
}

std::string ReadFileOrEmpty(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace autotp::testing
