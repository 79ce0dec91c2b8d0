#include "worker/data/feed.h"

#include <pthread.h>

#include <utility>

namespace autotp::data {

BatchFeed::BatchFeed(const Dataset& dataset, const FeedOptions& options)
    : dataset_(dataset), options_(options), thread_([this] { ReadAhead(); }) {
  pthread_setname_np(thread_.native_handle(), "batch-feed");
}

BatchFeed::~BatchFeed() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

absl::StatusOr<Batch> BatchFeed::Next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty(); });
  absl::StatusOr<Batch> batch = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return batch;
}

void BatchFeed::ReadAhead() {
  const int64_t count = options_.steps * options_.accumulation_steps;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t step = i / options_.accumulation_steps;
    absl::StatusOr<Batch> batch = ReadBatch(
        dataset_, MicroBatch(options_.sampler,
                             options_.sequences_consumed +
                                 step * options_.sampler.train_batch_size,
                             i % options_.accumulation_steps,
                             options_.data_parallel_rank));
    const bool failed = !batch.ok();
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [this] { return closing_ || ready_.size() < kBatchesAhead; });
    if (closing_) return;
    ready_.push_back(std::move(batch));
    lock.unlock();
    changed_.notify_all();
    if (failed) return;
  }
}

}  // namespace autotp::data
