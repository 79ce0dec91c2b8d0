// worker_pool.h -- a few threads for what may take a while: planning, disks.
//
// Threading: Post() from any thread. The destructor runs what is queued.
#ifndef AUTOTP_COORDINATOR_ENGINE_WORKER_POOL_H_
#define AUTOTP_COORDINATOR_ENGINE_WORKER_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace autotp::engine {

class WorkerPool {
 public:
  WorkerPool(size_t num_threads, size_t queue_max);
  ~WorkerPool();

  //   RESOURCE_EXHAUSTED  the queue is full; the caller may retry later
  //   UNAVAILABLE         stopping
  absl::Status Post(std::function<void()> work);
  void Stop();  // runs what is queued, then joins; idempotent

 private:
  void Run();

  const size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace autotp::engine

#endif  // AUTOTP_COORDINATOR_ENGINE_WORKER_POOL_H_
