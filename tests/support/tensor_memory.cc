#include "tests/support/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>

namespace autotp::testing {
namespace {

struct Count {
  std::atomic<int64_t> now = 0;
  std::atomic<int64_t> peak = 0;
};

// Shared with the blocks, which may outlive the thread.
const std::shared_ptr<Count>& Mine() {
  thread_local const std::shared_ptr<Count> count = std::make_shared<Count>();
  return count;
}

// Before each block. LibTorch asks of some that their context is the block
// itself.
struct Header {
  std::shared_ptr<Count> count;
  int64_t bytes;
};
constexpr size_t kHeaderBytes = 64;  // keeps the blocks' alignment
static_assert(sizeof(Header) <= kHeaderBytes);

c10::Allocator* real = nullptr;

void Free(void* data) {
  if (data == nullptr) return;
  char* const begin = static_cast<char*>(data) - kHeaderBytes;
  auto* const header = reinterpret_cast<Header*>(begin);
  header->count->now -= header->bytes;
  header->~Header();
  real->raw_deallocate(begin);
}

class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &Free, cpu};
    char* const begin =
        static_cast<char*>(real->raw_allocate(bytes + kHeaderBytes));
    Count& count = *Mine();
    new (begin) Header{Mine(), static_cast<int64_t>(bytes)};
    count.now += static_cast<int64_t>(bytes);
    count.peak = std::max(count.peak.load(), count.now.load());
    void* const data = begin + kHeaderBytes;
    return {data, data, &Free, cpu};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &Free; }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

void MeterTensorMemory() {
  if (real != nullptr) return;
  real = c10::GetCPUAllocator();
  c10::SetCPUAllocator(new CountingAllocator, /*priority=*/1);
}

void ForgetTensorPeak() { Mine()->peak = Mine()->now.load(); }

int64_t TensorPeakBytes() { return Mine()->peak; }

}  // namespace autotp::testing
