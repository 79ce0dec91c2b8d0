// parallel.h -- splits a loop over the threads of this rank.
#ifndef AUTOTP_WORKER_RUNTIME_PARALLEL_H_
#define AUTOTP_WORKER_RUNTIME_PARALLEL_H_

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace autotp::runtime {

// Runs body(begin, end) on pieces that together are [0, count), at most one
// per ATen intra-op thread and each of at least `grain` if there is more than
// one. The body throws nothing.
void ParallelFor(int64_t count, int64_t grain,
                 absl::FunctionRef<void(int64_t, int64_t)> body);

// Runs body(task) for each of [0, count), a thread taking the next one as it
// gets free: for few tasks of some size. The body throws nothing.
void ParallelTasks(int64_t count, absl::FunctionRef<void(int64_t)> body);

// Are `count` tasks enough to keep all threads busy to the end?
bool SharesTasks(int64_t count);

// Sets ATen's intra-op threads for the calling thread. At least 1.
void SetThreads(int threads);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_PARALLEL_H_
