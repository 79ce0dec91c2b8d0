// host_memory.h -- a large zeroed array of host memory, in huge pages where
// the system gives them.
#ifndef AUTOTP_WORKER_ZERO_HOST_MEMORY_H_
#define AUTOTP_WORKER_ZERO_HOST_MEMORY_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

namespace autotp::zero {

// Pages come with the first touch, so an array that nobody writes is free.
class HostMemory {
 public:
  // RESOURCE_EXHAUSTED: the system refuses.
  static absl::StatusOr<HostMemory> Allocate(int64_t bytes);
  HostMemory() = default;
  HostMemory(HostMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  HostMemory& operator=(HostMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HostMemory();

  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  int64_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_HOST_MEMORY_H_
