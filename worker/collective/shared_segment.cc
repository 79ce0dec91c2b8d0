#include "worker/collective/shared_segment.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>

#include "absl/strings/str_cat.h"

namespace autotp::collective {
namespace {

constexpr uint32_t kMagic = 0x41545031;  // changes with the layout
constexpr int64_t kHeaderBytes = 16 << 10;
constexpr int64_t kLine = 64;

// Live -> Writing (one rank puts its reason down) -> Aborted.
enum AbortState : uint32_t { kLive = 0, kWriting = 1, kAborted = 2 };

int64_t ResultBytesFor(int ranks) {
  const int64_t share = SharedSegment::kInputBytes / ranks + kLine;
  return (share + kLine - 1) / kLine * kLine;
}

int64_t BytesFor(int ranks) {
  return kHeaderBytes +
         2 * ranks * (SharedSegment::kInputBytes + ResultBytesFor(ranks));
}

absl::Status SystemError(absl::string_view what) {
  return absl::ErrnoToStatus(errno, what);
}

}  // namespace

struct SharedSegment::Header {
  uint32_t magic;
  int32_t ranks;
  std::atomic<uint32_t> abort_state;
  char reason[244];
  Flag flags[kMaxRanks];
};

absl::StatusOr<int> SharedSegment::Create(int ranks) {
  if (ranks < 1 || ranks > kMaxRanks) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shared memory serves 1 to ", kMaxRanks, " ranks of one host, not ",
        ranks, "; use fewer slots per worker"));
  }
  static_assert(sizeof(Header) <= kHeaderBytes);
  static_assert(std::atomic<uint32_t>::is_always_lock_free);
  const int fd = memfd_create("autotp-group", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return SystemError("cannot make a shared-memory segment");
  const uint32_t start[2] = {kMagic, static_cast<uint32_t>(ranks)};
  if (ftruncate(fd, BytesFor(ranks)) != 0 ||
      pwrite(fd, start, sizeof(start), 0) != sizeof(start) ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    absl::Status status = SystemError(absl::StrCat(
        "cannot size a shared-memory segment to ", BytesFor(ranks), " bytes"));
    close(fd);
    return status;
  }
  return fd;
}

absl::StatusOr<std::shared_ptr<SharedSegment>> SharedSegment::Map(
    int descriptor) {
  uint32_t start[2] = {0, 0};
  struct stat status {};
  if (fstat(descriptor, &status) != 0 ||
      pread(descriptor, start, sizeof(start), 0) != sizeof(start)) {
    return SystemError(
        absl::StrCat("cannot read shared-memory descriptor ", descriptor));
  }
  const int ranks = static_cast<int>(start[1]);
  if (start[0] != kMagic || ranks < 1 || ranks > kMaxRanks ||
      status.st_size != BytesFor(ranks)) {
    return absl::InvalidArgumentError(
        absl::StrCat("descriptor ", descriptor,
                     " is not a shared-memory segment of this version; run "
                     "worker and trainers from one build"));
  }
  // Populated now: page faults would make the first steps slow.
  void* base = mmap(nullptr, status.st_size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_POPULATE, descriptor, 0);
  if (base == MAP_FAILED) {
    return SystemError(
        absl::StrCat("cannot map ", status.st_size, " bytes to share"));
  }
  return std::shared_ptr<SharedSegment>(
      new SharedSegment(base, status.st_size));
}

void SharedSegment::AbortDescriptor(int descriptor, absl::string_view reason) {
  uint32_t magic = 0;
  if (pread(descriptor, &magic, sizeof(magic), 0) != sizeof(magic) ||
      magic != kMagic) {
    return;
  }
  void* base = mmap(nullptr, kHeaderBytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                    descriptor, 0);
  if (base == MAP_FAILED) return;
  AbortHeader(*static_cast<Header*>(base), reason);
  munmap(base, kHeaderBytes);
}

SharedSegment::~SharedSegment() { munmap(base_, bytes_); }

int SharedSegment::ranks() const { return header().ranks; }

SharedSegment::Flag& SharedSegment::flag(int rank) const {
  return header().flags[rank];
}

int64_t SharedSegment::ResultBytes() const { return ResultBytesFor(ranks()); }

std::byte* SharedSegment::input(int rank, int parity) const {
  return static_cast<std::byte*>(base_) + kHeaderBytes +
         (2 * rank + parity) * kInputBytes;
}

std::byte* SharedSegment::result(int rank, int parity) const {
  return static_cast<std::byte*>(base_) + kHeaderBytes +
         2 * ranks() * kInputBytes + (2 * rank + parity) * ResultBytes();
}

void SharedSegment::AbortHeader(Header& header, absl::string_view reason) {
  uint32_t live = kLive;
  if (header.abort_state.compare_exchange_strong(live, kWriting)) {
    const size_t length = std::min(reason.size(), sizeof(header.reason) - 1);
    std::memcpy(header.reason, reason.data(), length);
    header.reason[length] = '\0';
    header.abort_state.store(kAborted, std::memory_order_release);
  }
  for (Flag& flag : header.flags) FutexWakeAll(flag.arrivals);
}

void SharedSegment::Abort(absl::string_view reason) {
  AbortHeader(header(), reason);
}

bool SharedSegment::aborted() const {
  return header().abort_state.load(std::memory_order_acquire) != kLive;
}

absl::Status SharedSegment::AbortStatus() const {
  switch (header().abort_state.load(std::memory_order_acquire)) {
    case kLive:
      return absl::OkStatus();
    case kAborted:
      return absl::UnavailableError(
          absl::StrCat("the group was aborted: ", header().reason));
    default:
      return absl::UnavailableError("the group was aborted");
  }
}

void FutexWait(std::atomic<uint32_t>& word, uint32_t expected,
               int milliseconds) {
  const timespec limit{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  syscall(SYS_futex, &word, FUTEX_WAIT, expected, &limit, nullptr, 0);
}

void FutexWakeAll(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace autotp::collective
