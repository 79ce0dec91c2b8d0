// parallel_for.h -- the loop splitter that the caller brings.
#ifndef AUTOTP_WORKER_ZERO_PARALLEL_FOR_H_
#define AUTOTP_WORKER_ZERO_PARALLEL_FOR_H_

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace autotp::zero {

// Splits [0, count) over threads, in pieces of at least `grain`.
using ParallelFor = void (*)(int64_t count, int64_t grain,
                             absl::FunctionRef<void(int64_t, int64_t)> body);

// Null: all of it on this thread.
inline void RunFor(ParallelFor split, int64_t count, int64_t grain,
                   absl::FunctionRef<void(int64_t, int64_t)> body) {
  if (split != nullptr) {
    split(count, grain, body);
  } else if (count > 0) {
    body(0, count);
  }
}

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_PARALLEL_FOR_H_
