#include "worker/zero/host_memory.h"

#include <sys/mman.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace autotp::zero {
namespace {

constexpr int64_t kHugePage = 2 << 20;

}  // namespace

absl::StatusOr<HostMemory> HostMemory::Allocate(int64_t bytes) {
  HostMemory memory;
  if (bytes <= 0) return memory;
  void* data = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot allocate ", bytes,
                     " bytes: use a host with more memory, more ranks, or a "
                     "higher ZeRO stage"));
  }
  // A wish: small pages do as well, only slower.
  if (bytes >= kHugePage)
    madvise(data, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  memory.data_ = data;
  memory.bytes_ = bytes;
  return memory;
}

HostMemory::~HostMemory() {
  if (data_ != nullptr) munmap(data_, static_cast<size_t>(bytes_));
}

}  // namespace autotp::zero
