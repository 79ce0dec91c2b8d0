// feed.h -- a rank's micro-batches, one after the other, read ahead.
//
// Flow: step_loop.h -> Next() for every micro-step; a thread of its own asks
// sampler.h which sequences are next and reads them, at most kBatchesAhead
// before they are asked for, so that a slow disk is not waited for.
//
// Threading: one caller; the thread ends with the object.
#ifndef AUTOTP_WORKER_DATA_FEED_H_
#define AUTOTP_WORKER_DATA_FEED_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include "absl/status/statusor.h"
#include "worker/data/dataset.h"
#include "worker/data/sampler.h"

namespace autotp::data {

inline constexpr size_t kBatchesAhead = 2;

struct FeedOptions {
  SamplerOptions sampler;
  int data_parallel_rank = 0;
  int64_t accumulation_steps = 1;
  int64_t sequences_consumed = 0;  // before the first step
  int64_t steps = 0;               // optimizer steps to feed, no more
};

class BatchFeed {
 public:
  // `dataset` outlives it.
  BatchFeed(const Dataset& dataset, const FeedOptions& options);
  ~BatchFeed();
  BatchFeed(const BatchFeed&) = delete;
  BatchFeed& operator=(const BatchFeed&) = delete;

  // The next micro-step's; Dataset::Read's errors, at the micro-step that they
  // belong to. Waits for the disk at most.
  // REQUIRES: called at most steps x accumulation_steps times, and not again
  // after an error.
  absl::StatusOr<Batch> Next();

 private:
  void ReadAhead();

  const Dataset& dataset_;
  const FeedOptions options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<absl::StatusOr<Batch>> ready_;  // guarded by mutex_
  bool closing_ = false;                     // guarded by mutex_

  std::thread thread_;  // last: starts when the rest is ready
};

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_FEED_H_
