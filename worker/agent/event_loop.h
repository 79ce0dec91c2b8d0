// event_loop.h -- the one thread that owns an agent's state.
//
// Flow: sockets, timers and Post() -> functions, one at a time, on the thread
// that called Run(). Functions must not block.
//
// Threading: Post() and Quit() from any thread, also after Run() has returned
// (then nothing happens); everything else on the loop's thread, or before
// Run().
#ifndef AUTOTP_WORKER_AGENT_EVENT_LOOP_H_
#define AUTOTP_WORKER_AGENT_EVENT_LOOP_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "absl/time/time.h"
#include "proto/support/socket_channel.h"

namespace autotp::agent {

class EventLoop {
 public:
  using Function = std::function<void()>;
  using TimerId = std::pair<absl::Time, int64_t>;

  EventLoop();

  // The number of posted functions is bounded by who posts: one per call
  // under way.
  void Post(Function function);
  TimerId RunAt(absl::Time time, Function function);
  void Cancel(const TimerId& timer) { timers_.erase(timer); }
  // Runs `function` with poll()'s result while one of `events` (POLLIN,
  // POLLOUT) is there; replaces an earlier watch of `descriptor`.
  void Watch(int descriptor, short events, std::function<void(short)> function);
  void Unwatch(int descriptor) { watches_.erase(descriptor); }

  // Until Quit().
  void Run();
  void Quit();

 private:
  struct Watched {
    short events = 0;
    std::function<void(short)> function;
  };

  void RunPosted();
  void RunTimers();
  void Wait();

  UniqueFd wake_;  // eventfd
  std::map<TimerId, Function> timers_;
  int64_t last_timer_ = 0;
  std::map<int, Watched> watches_;

  std::mutex mutex_;
  std::deque<Function> posted_;  // guarded by mutex_
  bool quit_ = false;            // guarded by mutex_
};

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_EVENT_LOOP_H_
