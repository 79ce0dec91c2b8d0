// interrupts.h -- SIGINT and SIGTERM as calls on a thread of their own.
#ifndef AUTOTP_CLIENT_CLI_INTERRUPTS_H_
#define AUTOTP_CLIENT_CLI_INTERRUPTS_H_

#include <atomic>
#include <functional>
#include <thread>

namespace autotp::cli {

// Keeps both signals from this thread and all that it starts later, so that
// only a watcher gets them. Call it before the first other thread, and after
// the last child process, which would inherit it.
void BlockInterrupts();

// Calls `on_interrupt` with 1 for the first signal, 2 for the second, ...
// until destroyed.
class InterruptWatcher {
 public:
  explicit InterruptWatcher(std::function<void(int count)> on_interrupt);
  ~InterruptWatcher();

 private:
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_INTERRUPTS_H_
