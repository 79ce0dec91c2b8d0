#include "tests/support/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

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

struct Block {
  c10::DataPtr memory;
  std::shared_ptr<Count> count;
  int64_t bytes;
};

void Free(void* context) {
  const std::unique_ptr<Block> block(static_cast<Block*>(context));
  block->count->now -= block->bytes;
}

class CountingAllocator final : public c10::Allocator {
 public:
  explicit CountingAllocator(c10::Allocator& real) : real_(real) {}

  c10::DataPtr allocate(size_t bytes) override {
    auto block = std::make_unique<Block>(
        Block{real_.allocate(bytes), Mine(), static_cast<int64_t>(bytes)});
    Count& count = *block->count;
    count.now += block->bytes;
    count.peak = std::max(count.peak.load(), count.now.load());
    void* const data = block->memory.get();
    return {data, block.release(), &Free, c10::Device(c10::DeviceType::CPU)};
  }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  c10::Allocator& real_;
};

}  // namespace

void MeterTensorMemory() {
  static CountingAllocator* const counting = [] {
    auto* made = new CountingAllocator(*c10::GetCPUAllocator());
    c10::SetCPUAllocator(made, /*priority=*/1);
    return made;
  }();
  (void)counting;
}

void ForgetTensorPeak() { Mine()->peak = Mine()->now.load(); }

int64_t TensorPeakBytes() { return Mine()->peak; }

}  // namespace autotp::testing
