#include "client/cli/interrupts.h"

#include <signal.h>

#include <ctime>
#include <utility>

namespace autotp::cli {
namespace {

sigset_t Interrupts() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void BlockInterrupts() {
  const sigset_t set = Interrupts();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

InterruptWatcher::InterruptWatcher(std::function<void(int)> on_interrupt)
    : thread_([this, on_interrupt = std::move(on_interrupt)] {
        const sigset_t set = Interrupts();
        int count = 0;
        while (!stopping_) {
          constexpr timespec kPoll = {.tv_sec = 0, .tv_nsec = 100'000'000};
          if (sigtimedwait(&set, nullptr, &kPoll) > 0) on_interrupt(++count);
        }
      }) {}

InterruptWatcher::~InterruptWatcher() {
  stopping_ = true;
  thread_.join();
}

}  // namespace autotp::cli
