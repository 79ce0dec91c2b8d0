#include "worker/trainer/zygote.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "autotp/v1/trainer.pb.h"
#include "proto/support/check.h"

namespace autotp::trainer {
namespace {

constexpr size_t kFixedDescriptors = 2;  // control socket, log
constexpr absl::Duration kPacketTimeout = absl::Seconds(30);

using TrainerMain = std::function<int(ForkedTrainer)>;

// What the child keeps of the zygote's state must be undone before it trains.
[[noreturn]] void RunChild(pid_t zygote, int log, ForkedTrainer trainer,
                           const TrainerMain& trainer_main) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The zygote may have died before the line above: then nobody would tell.
  if (getppid() != zygote) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // A file that grows beyond a limit is to be an error with its name.
  signal(SIGXFSZ, SIG_IGN);
  prctl(PR_SET_NAME, absl::StrCat("trainer-", trainer.slot).c_str());
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  dup2(null.get(), STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  const int code = trainer_main(std::move(trainer));
  std::fflush(nullptr);
  // Static destructors of large libraries cost time and can only fail.
  _exit(code);
}

// Checks a request and turns its descriptors into what a trainer owns.
std::string Unpack(const v1::ForkRequest& request,
                   std::vector<UniqueFd> descriptors, ForkedTrainer* trainer,
                   UniqueFd* log) {
  const size_t keys = static_cast<size_t>(request.memory_keys_size());
  if (descriptors.size() != kFixedDescriptors + keys) {
    return absl::StrCat("fork request with ", descriptors.size(),
                        " descriptors for ", keys, " segments; it needs ",
                        kFixedDescriptors + keys);
  }
  trainer->control = std::move(descriptors[0]);
  *log = std::move(descriptors[1]);
  for (size_t i = 0; i < keys; ++i) {
    trainer->memory[request.memory_keys(static_cast<int>(i))] =
        std::move(descriptors[kFixedDescriptors + i]);
  }
  trainer->slot = request.slot();
  trainer->threads = std::max(1, request.threads());
  trainer->data_address = request.data_address();
  return "";
}

class Zygote {
 public:
  Zygote(UniqueFd control, UniqueFd child_signals,
         const TrainerMain& trainer_main)
      : control_(std::move(control)),
        child_signals_(std::move(child_signals)),
        trainer_main_(trainer_main) {}

  int Run() {
    v1::ZygoteEvent ready;
    ready.mutable_ready();
    if (!Send(ready)) return 1;
    while (true) {
      pollfd entries[] = {{control_.get(), POLLIN, 0},
                          {child_signals_.get(), POLLIN, 0}};
      if (poll(entries, 2, -1) < 0) {
        if (errno == EINTR) continue;
        std::perror("zygote: poll");
        return 1;
      }
      // Exits first: a new trainer may wait for the slot of a dead one.
      if (entries[1].revents != 0 && !ReapTrainers()) return 1;
      if (entries[0].revents != 0) {
        v1::ForkRequest request;
        auto descriptors = ReceivePacket(control_.get(), &request,
                                         absl::Now() + kPacketTimeout);
        if (absl::IsUnavailable(descriptors.status())) return 0;
        if (!descriptors.ok()) {
          std::fprintf(stderr, "zygote: %s\n",
                       descriptors.status().ToString().c_str());
          return 1;
        }
        if (!Fork(request, *std::move(descriptors))) return 1;
      }
    }
  }

 private:
  // False: the agent is gone, so this process ends.
  bool Send(const v1::ZygoteEvent& event) {
    return SendPacket(control_.get(), event, {}, absl::Now() + kPacketTimeout)
        .ok();
  }

  bool Fork(const v1::ForkRequest& request, std::vector<UniqueFd> descriptors) {
    v1::ZygoteEvent event;
    v1::TrainerForked* forked = event.mutable_forked();
    forked->set_id(request.id());
    ForkedTrainer trainer;
    UniqueFd log;
    forked->set_error(Unpack(request, std::move(descriptors), &trainer, &log));
    if (!forked->error().empty()) return Send(event);
    std::fflush(nullptr);
    const pid_t zygote = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
      control_.reset();
      child_signals_.reset();
      RunChild(zygote, log.get(), std::move(trainer), trainer_main_);
    }
    if (pid < 0) {
      forked->set_error(absl::StrCat("fork: ", std::strerror(errno)));
    } else {
      forked->set_pid(pid);
    }
    return Send(event);
  }

  bool ReapTrainers() {
    signalfd_siginfo info;
    while (read(child_signals_.get(), &info, sizeof(info)) > 0) {
    }
    // One signal may stand for several children.
    while (true) {
      int status = 0;
      const pid_t pid = waitpid(-1, &status, WNOHANG);
      if (pid <= 0) return true;
      v1::ZygoteEvent event;
      v1::TrainerExited* exited = event.mutable_exited();
      exited->set_pid(pid);
      if (WIFEXITED(status)) exited->set_exit_code(WEXITSTATUS(status));
      if (WIFSIGNALED(status)) exited->set_signal(WTERMSIG(status));
      if (!Send(event)) return false;
    }
  }

  UniqueFd control_;
  UniqueFd child_signals_;
  const TrainerMain& trainer_main_;
};

}  // namespace

int RunZygote(UniqueFd control,
              const std::function<int(ForkedTrainer)>& trainer_main) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // an agent that died earlier: end of file
  prctl(PR_SET_NAME, "zygote");
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  AUTOTP_CHECK(sigprocmask(SIG_BLOCK, &child, nullptr) == 0);
  UniqueFd child_signals(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!child_signals.valid()) {
    std::perror("zygote: signalfd");
    return 1;
  }
  return Zygote(std::move(control), std::move(child_signals), trainer_main)
      .Run();
}

}  // namespace autotp::trainer
