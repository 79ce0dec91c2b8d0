#include "worker/agent/zygote_process.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/status_macros.h"

namespace autotp::agent {
namespace {

constexpr int kControlInChild = 3;
constexpr absl::Duration kSendTimeout = absl::Seconds(5);

// The agent's environment with ours in place of what it had.
std::vector<std::string> ChildEnvironment(int threads) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (absl::StartsWith(*entry, "OMP_NUM_THREADS=") ||
        absl::StartsWith(*entry, "OMP_WAIT_POLICY=")) {
      continue;
    }
    entries.emplace_back(*entry);
  }
  entries.push_back(absl::StrCat("OMP_NUM_THREADS=", threads));
  // Ranks share the cores: a thread that spins takes them from a peer.
  entries.push_back("OMP_WAIT_POLICY=passive");
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Without exec's leftovers: no blocked or ignored signals, and a process
// group of its own, so that a terminal's ctrl-C reaches only the agent.
absl::StatusOr<pid_t> Spawn(const ZygoteOptions& options, int control) {
  std::vector<std::string> arguments = {options.binary, "--zygote",
                                        "--control-fd",
                                        std::to_string(kControlInChild)};
  std::vector<std::string> environment = ChildEnvironment(options.threads);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, control, kControlInChild);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF |
                                            POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, options.binary.c_str(), &actions, &attributes,
                  Pointers(arguments).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return absl::ErrnoToStatus(error,
                               absl::StrCat("start of ", options.binary));
  }
  return pid;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZygoteProcess>> ZygoteProcess::Start(
    EventLoop& loop, const ZygoteOptions& options, Callbacks callbacks) {
  AUTOTP_ASSIGN_OR_RETURN(auto ends, SocketPair(SOCK_SEQPACKET));
  AUTOTP_ASSIGN_OR_RETURN(const pid_t pid, Spawn(options, ends.second.get()));
  return std::unique_ptr<ZygoteProcess>(new ZygoteProcess(
      loop, std::move(ends.first), pid, std::move(callbacks)));
}

ZygoteProcess::ZygoteProcess(EventLoop& loop, UniqueFd control, pid_t pid,
                             Callbacks callbacks)
    : loop_(loop),
      control_(std::move(control)),
      pid_(pid),
      callbacks_(std::move(callbacks)) {
  loop_.Watch(control_.get(), POLLIN, [this](short) { Receive(); });
}

ZygoteProcess::~ZygoteProcess() {
  loop_.Unwatch(control_.get());
  KillAndWait();
}

absl::Status ZygoteProcess::Fork(const v1::ForkRequest& request,
                                 absl::Span<const int> descriptors) {
  return Annotate(SendPacket(control_.get(), request, descriptors,
                             absl::Now() + kSendTimeout),
                  "fork request to the zygote");
}

void ZygoteProcess::Receive() {
  v1::ZygoteEvent event;
  const auto received =
      ReceivePacket(control_.get(), &event, absl::Now() + kSendTimeout);
  if (absl::IsDeadlineExceeded(received.status())) return;
  if (!received.ok()) {
    loop_.Unwatch(control_.get());
    const std::string why = KillAndWait();
    callbacks_.on_zygote_exit(why);  // may delete this
    return;
  }
  if (event.has_ready()) callbacks_.on_ready();
  if (event.has_forked()) callbacks_.on_forked(event.forked());
  if (event.has_exited()) callbacks_.on_exited(event.exited());
}

std::string ZygoteProcess::KillAndWait() {
  if (pid_ == 0) return "";
  // A zygote that has ended by itself keeps its own status.
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  if (WIFSIGNALED(status)) return absl::StrCat("signal ", WTERMSIG(status));
  return absl::StrCat("exit code ", WEXITSTATUS(status));
}

}  // namespace autotp::agent
