// world.h -- what everybody in a simulation shares: one clock, one source of
// chance, one disk, one trace of what happened.
//
// Time is virtual: nothing waits, the next thing that is due just happens.
// All chance comes from the seed, so that a seed is a run.
//
// Threading: one thread.
#ifndef AUTOTP_TESTS_SIM_WORLD_H_
#define AUTOTP_TESTS_SIM_WORLD_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace autotp::sim {

class Chance {
 public:
  explicit Chance(uint64_t seed) : random_(seed) {}

  int64_t Between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(
                       random_() % static_cast<uint64_t>(most - least + 1));
  }
  absl::Duration Between(absl::Duration least, absl::Duration most) {
    return absl::Milliseconds(Between(absl::ToInt64Milliseconds(least),
                                      absl::ToInt64Milliseconds(most)));
  }
  bool OneIn(int n) { return n > 0 && Between(1, n) == 1; }  // 0: never
  template <typename T>
  const T& Of(const std::vector<T>& choices) {
    return choices[static_cast<size_t>(
        Between(0, static_cast<int64_t>(choices.size()) - 1))];
  }

 private:
  std::mt19937_64 random_;
};

// What is due when. Things due at once happen in the order of their planning.
class Timeline {
 public:
  absl::Time now() const { return now_; }
  void After(absl::Duration delay, std::function<void()> what);
  bool RunNext();  // false: nothing is due any more

 private:
  struct Due {
    absl::Time time;
    int64_t order;
    std::function<void()> what;
  };
  struct Later {
    bool operator()(const Due& a, const Due& b) const {
      return a.time != b.time ? a.time > b.time : a.order > b.order;
    }
  };
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  int64_t planned_ = 0;
  std::priority_queue<Due, std::vector<Due>, Later> due_;
};

class World {
 public:
  explicit World(uint64_t seed) : chance(seed) {}

  // One line of what happened; the newest are kept.
  void Note(const std::string& line);
  std::string Tail() const;

  // The run is a failure; the first one counts.
  void Violate(const std::string& what) {
    if (violation.empty()) violation = what;
  }

  Chance chance;
  Timeline timeline;
  // The file system that all hosts share: checkpoint folders that have a
  // manifest, with their steps.
  std::map<std::string, int64_t> manifests;
  std::string violation;

 private:
  std::deque<std::string> trace_;
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_WORLD_H_
