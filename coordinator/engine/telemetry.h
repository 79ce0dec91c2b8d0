// telemetry.h -- metrics and logs of all jobs: large, recent, never stored.
//
// Bounded: the least recently written ring or buffer goes first.
// Threading: engine thread only.
#ifndef AUTOTP_COORDINATOR_ENGINE_TELEMETRY_H_
#define AUTOTP_COORDINATOR_ENGINE_TELEMETRY_H_

#include <compare>
#include <cstdint>
#include <map>
#include <string>

#include "coordinator/engine/log_buffer.h"
#include "coordinator/engine/metrics_ring.h"

namespace autotp::engine {

struct LogKey {
  std::string job;
  int32_t attempt = 0;
  int32_t rank = 0;
  auto operator<=>(const LogKey&) const = default;
};

// A map that forgets what was not written for longest.
template <typename Key, typename Value>
class Recent {
 public:
  explicit Recent(size_t entries_max) : entries_max_(entries_max) {}

  template <typename... Arguments>
  Value& Write(const Key& key, Arguments&&... arguments) {
    const auto [found, added] = entries_.try_emplace(
        key, Entry{0, Value(std::forward<Arguments>(arguments)...)});
    found->second.used = ++clock_;
    if (added && entries_.size() > entries_max_) {
      auto oldest = entries_.begin();
      for (auto it = entries_.begin(); it != entries_.end(); ++it) {
        if (it->second.used < oldest->second.used) oldest = it;
      }
      entries_.erase(oldest);
    }
    return entries_.at(key).value;
  }

  const Value* Find(const Key& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second.value;
  }

 private:
  struct Entry {
    uint64_t used;
    Value value;
  };
  size_t entries_max_;
  uint64_t clock_ = 0;
  std::map<Key, Entry> entries_;
};

struct Telemetry {
  Recent<std::string, MetricsRing> metrics{128};  // by job
  Recent<LogKey, LogBuffer> logs{512};
};

}  // namespace autotp::engine

#endif  // AUTOTP_COORDINATOR_ENGINE_TELEMETRY_H_
