// topics.h -- who waits for what to change.
//
// A waiter registers for one wake-up and looks for itself what has changed;
// it registers again if it is not satisfied. So nothing is queued for slow
// readers, and a reader that comes back resumes by its own cursor.
//
// Threading: engine thread only.
#ifndef AUTOTP_COORDINATOR_ENGINE_TOPICS_H_
#define AUTOTP_COORDINATOR_ENGINE_TOPICS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace autotp::engine {

struct View;

class Waiter {
 public:
  virtual ~Waiter() = default;
  // Something changed, or the deadline passed. Must not block.
  virtual void Wake(const View& view) = 0;
  // The engine stops; no wake-up will follow.
  virtual void Stop(const absl::Status& why) = 0;
};

inline std::string JobTopic(const std::string& job) {
  return absl::StrCat("job ", job);
}
inline std::string KeysTopic(const std::string& job) {
  return absl::StrCat("keys ", job);
}
inline std::string WorkerTopic(const std::string& worker) {
  return absl::StrCat("worker ", worker);
}
inline std::string LogTopic(const std::string& job, int rank) {
  return absl::StrCat("log ", rank, " ", job);
}

class Topics {
 public:
  explicit Topics(size_t waiters_max = 65'536) : waiters_max_(waiters_max) {}

  // RESOURCE_EXHAUSTED: too many wait already; this one will not be woken.
  absl::Status Wait(const std::string& topic, std::weak_ptr<Waiter> waiter,
                    absl::Time deadline = absl::InfiniteFuture());
  void Notify(const std::string& topic, const View& view);
  void NotifyLate(absl::Time now, const View& view);  // deadlines passed
  void NotifyAll(const View& view);
  void StopAll(const absl::Status& why);
  // How many wait; those that have gone may count until the next deadline.
  size_t size() const { return size_; }

 private:
  struct Entry {
    std::weak_ptr<Waiter> waiter;
    absl::Time deadline;
  };
  const size_t waiters_max_;
  size_t size_ = 0;  // entries of all topics
  std::map<std::string, std::vector<Entry>> waiting_;
};

}  // namespace autotp::engine

#endif  // AUTOTP_COORDINATOR_ENGINE_TOPICS_H_
