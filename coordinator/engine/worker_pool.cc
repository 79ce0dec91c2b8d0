#include "coordinator/engine/worker_pool.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace autotp::engine {

WorkerPool::WorkerPool(size_t num_threads, size_t queue_max)
    : queue_max_(queue_max) {
  for (size_t i = 0; i < num_threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

WorkerPool::~WorkerPool() { Stop(); }

absl::Status WorkerPool::Post(std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return absl::UnavailableError("the coordinator stops");
    if (queue_.size() >= queue_max_) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the planner has ", queue_max_, " jobs to look at; try again"));
    }
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
  return absl::OkStatus();
}

void WorkerPool::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkerPool::Run() {
  pthread_setname_np(pthread_self(), "autotp-pool");
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace autotp::engine
