#include "worker/runtime/parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <exception>
#include <mutex>

namespace autotp::runtime {
namespace {

// An exception may not leave a parallel region: the first is thrown behind it.
class Exceptions {
 public:
  template <typename F>
  void Catch(const F& body) {
    try {
      body();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (first_ == nullptr) first_ = std::current_exception();
    }
  }
  void Rethrow() const {
    if (first_ != nullptr) std::rethrow_exception(first_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr first_;
};

}  // namespace

void ParallelFor(int64_t count, int64_t grain,
                 absl::FunctionRef<void(int64_t, int64_t)> body) {
  if (count <= 0) return;
  const int64_t most = count / std::max<int64_t>(1, grain);
  const int64_t pieces =
      std::clamp<int64_t>(at::get_num_threads(), 1, std::max<int64_t>(1, most));
  if (pieces == 1 || at::in_parallel_region()) {
    body(0, count);
    return;
  }
  Exceptions exceptions;
#pragma omp parallel for num_threads(static_cast <int>(pieces)) \
    schedule(static, 1)
  for (int64_t piece = 0; piece < pieces; ++piece) {
    exceptions.Catch(
        [&] { body(count * piece / pieces, count * (piece + 1) / pieces); });
  }
  exceptions.Rethrow();
}

void ParallelTasks(int64_t count, absl::FunctionRef<void(int64_t)> body) {
  const int64_t threads =
      std::min<int64_t>(at::get_num_threads(), std::max<int64_t>(1, count));
  if (threads <= 1 || at::in_parallel_region()) {
    for (int64_t task = 0; task < count; ++task) body(task);
    return;
  }
  Exceptions exceptions;
#pragma omp parallel for num_threads(static_cast <int>(threads)) \
    schedule(dynamic, 1)
  for (int64_t task = 0; task < count; ++task)
    exceptions.Catch([&] { body(task); });
  exceptions.Rethrow();
}

bool SharesTasks(int64_t count) {
  constexpr int64_t kTasksPerThread = 2;
  return count >= kTasksPerThread * at::get_num_threads();
}

void SetThreads(int threads) { at::set_num_threads(std::max(1, threads)); }

}  // namespace autotp::runtime
