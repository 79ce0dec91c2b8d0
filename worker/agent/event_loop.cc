#include "worker/agent/event_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/time/clock.h"
#include "proto/support/check.h"

namespace autotp::agent {
namespace {
constexpr absl::Duration kWaitMax = absl::Seconds(60);
}  // namespace

EventLoop::EventLoop() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  AUTOTP_CHECK(wake_.valid());
}

void EventLoop::Post(Function function) {
  {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(function));
  }
  const uint64_t one = 1;
  // A full counter wakes as well.
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof(one));
}

EventLoop::TimerId EventLoop::RunAt(absl::Time time, Function function) {
  const TimerId id{time, ++last_timer_};
  timers_.emplace(id, std::move(function));
  return id;
}

void EventLoop::Watch(int descriptor, short events,
                      std::function<void(short)> function) {
  watches_[descriptor] = {events, std::move(function)};
}

void EventLoop::Run() {
  while (true) {
    RunPosted();
    RunTimers();
    {
      std::lock_guard lock(mutex_);
      if (quit_) return;
    }
    Wait();
  }
}

void EventLoop::Quit() {
  {
    std::lock_guard lock(mutex_);
    quit_ = true;
  }
  Post([] {});
}

void EventLoop::RunPosted() {
  std::deque<Function> functions;
  {
    std::lock_guard lock(mutex_);
    functions.swap(posted_);
  }
  for (const Function& function : functions) function();
}

void EventLoop::RunTimers() {
  const absl::Time now = absl::Now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const Function function = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    function();
  }
}

void EventLoop::Wait() {
  std::vector<pollfd> entries{{wake_.get(), POLLIN, 0}};
  for (const auto& [descriptor, watched] : watches_) {
    entries.push_back({descriptor, watched.events, 0});
  }
  absl::Duration wait = kWaitMax;
  if (!timers_.empty()) {
    wait = std::min(wait, timers_.begin()->first.first - absl::Now());
  }
  {
    std::lock_guard lock(mutex_);
    if (!posted_.empty()) wait = absl::ZeroDuration();
  }
  const int64_t milliseconds = std::max<int64_t>(
      0, absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1))));
  if (poll(entries.data(), entries.size(), static_cast<int>(milliseconds)) <=
      0) {
    return;
  }
  uint64_t count;
  [[maybe_unused]] const ssize_t n = read(wake_.get(), &count, sizeof(count));
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].revents == 0) continue;
    // An earlier function may have ended this watch.
    const auto found = watches_.find(entries[i].fd);
    if (found == watches_.end()) continue;
    const auto function = found->second.function;
    function(entries[i].revents);
  }
}

}  // namespace autotp::agent
