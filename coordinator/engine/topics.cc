#include "coordinator/engine/topics.h"

#include <algorithm>
#include <utility>

namespace autotp::engine {

absl::Status Topics::Wait(const std::string& topic,
                          std::weak_ptr<Waiter> waiter, absl::Time deadline) {
  if (size_ >= waiters_max_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the coordinator has ", size_, " calls that wait; try again"));
  }
  waiting_[topic].push_back({std::move(waiter), deadline});
  ++size_;
  return absl::OkStatus();
}

void Topics::Notify(const std::string& topic, const View& view) {
  const auto found = waiting_.find(topic);
  if (found == waiting_.end()) return;
  // Waiters may register again while they are woken.
  const std::vector<Entry> entries = std::move(found->second);
  waiting_.erase(found);
  size_ -= entries.size();
  for (const Entry& entry : entries) {
    if (const auto waiter = entry.waiter.lock()) waiter->Wake(view);
  }
}

void Topics::NotifyLate(absl::Time now, const View& view) {
  std::vector<std::weak_ptr<Waiter>> late;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    std::vector<Entry>& entries = it->second;
    size_ -= std::erase_if(entries, [&](const Entry& entry) {
      // Readers that went away leave no heap behind.
      if (entry.waiter.expired()) return true;
      if (entry.deadline > now) return false;
      late.push_back(entry.waiter);
      return true;
    });
    it = entries.empty() ? waiting_.erase(it) : std::next(it);
  }
  for (const auto& entry : late) {
    if (const auto waiter = entry.lock()) waiter->Wake(view);
  }
}

void Topics::NotifyAll(const View& view) {
  const auto waiting = std::exchange(waiting_, {});
  size_ = 0;
  for (const auto& [topic, entries] : waiting) {
    for (const Entry& entry : entries) {
      if (const auto waiter = entry.waiter.lock()) waiter->Wake(view);
    }
  }
}

void Topics::StopAll(const absl::Status& why) {
  const auto waiting = std::exchange(waiting_, {});
  size_ = 0;
  for (const auto& [topic, entries] : waiting) {
    for (const Entry& entry : entries) {
      if (const auto waiter = entry.waiter.lock()) waiter->Stop(why);
    }
  }
}

}  // namespace autotp::engine
