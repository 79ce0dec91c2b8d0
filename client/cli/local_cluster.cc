#include "client/cli/local_cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/sibling_program.h"
#include "proto/support/status_macros.h"

namespace autotp::cli {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kStartTimeout = absl::Seconds(30);
// A worker ends its trainers first; a coordinator closes its store.
constexpr absl::Duration kStopTimeout = absl::Seconds(15);
constexpr absl::Duration kPollInterval = absl::Milliseconds(5);
constexpr std::streamoff kShownLogBytes = 4000;

std::string LogEnd(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kShownLogBytes));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void BecomeProgram(char* const* arguments, int log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  setpgid(0, 0);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

// Whether the child has ended within `timeout`.
bool AwaitEnd(pid_t pid, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (waitpid(pid, nullptr, WNOHANG) == 0) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(kPollInterval);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Start(
    const LocalClusterOptions& options) {
  auto cluster = std::unique_ptr<LocalCluster>(new LocalCluster());
  // A socket's path has at most 107 bytes: not below the user's folders.
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::string pattern = absl::StrCat(
      runtime != nullptr && access(runtime, W_OK) == 0 ? runtime : "/tmp",
      "/autotp-XXXXXX");
  if (mkdtemp(pattern.data()) == nullptr)
    return absl::ErrnoToStatus(errno, absl::StrCat(pattern, ": mkdtemp"));
  cluster->folder_ = pattern;
  const std::string socket = pattern + "/socket";
  cluster->address_ = absl::StrCat("unix:", socket);
  const std::string& state =
      options.state_folder.empty() ? pattern : options.state_folder;
  const std::string& logs =
      options.log_folder.empty() ? pattern : options.log_folder;

  AUTOTP_ASSIGN_OR_RETURN(const std::string coordinator,
                          SiblingProgram("autotp-coordinator"));
  AUTOTP_RETURN_IF_ERROR(cluster->Launch(
      {coordinator, "--state-dir", state, "--listen", cluster->address_},
      logs + "/coordinator.log"));
  if (options.slots > 0) {
    AUTOTP_ASSIGN_OR_RETURN(const std::string worker,
                            SiblingProgram("autotp-worker"));
    AUTOTP_RETURN_IF_ERROR(
        cluster->Launch({worker, "--coordinator", cluster->address_, "--slots",
                         absl::StrCat(options.slots), "--name", "local"},
                        logs + "/worker.log"));
  }
  AUTOTP_RETURN_IF_ERROR(
      cluster->AwaitSocket(socket, logs + "/coordinator.log"));
  return cluster;
}

absl::Status LocalCluster::Launch(std::vector<std::string> arguments,
                                  const std::string& log) {
  const int log_file =
      open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_file < 0) return absl::ErrnoToStatus(errno, log);
  std::vector<char*> raw;
  for (std::string& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child == 0) BecomeProgram(raw.data(), log_file, self);
  const int fork_error = errno;
  close(log_file);
  if (child < 0) return absl::ErrnoToStatus(fork_error, "fork");
  children_.push_back(child);
  return absl::OkStatus();
}

absl::Status LocalCluster::AwaitSocket(const std::string& path,
                                       const std::string& log) {
  const absl::Time deadline = absl::Now() + kStartTimeout;
  while (access(path.c_str(), F_OK) != 0) {
    int wait_status = 0;
    if (waitpid(children_[0], &wait_status, WNOHANG) != 0) {
      children_.erase(children_.begin());
      return absl::FailedPreconditionError(
          absl::StrCat("the coordinator ended at its start:\n", LogEnd(log)));
    }
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the coordinator did not start within ",
          absl::FormatDuration(kStartTimeout), ":\n", LogEnd(log)));
    }
    absl::SleepFor(kPollInterval);
  }
  return absl::OkStatus();
}

LocalCluster::~LocalCluster() {
  // The worker first, so that it can still say goodbye.
  for (auto child = children_.rbegin(); child != children_.rend(); ++child) {
    kill(*child, SIGTERM);
    if (!AwaitEnd(*child, kStopTimeout)) {
      kill(*child, SIGKILL);
      waitpid(*child, nullptr, 0);
    }
  }
  std::error_code ignored;  // a leftover in a temporary folder harms nobody
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

}  // namespace autotp::cli
