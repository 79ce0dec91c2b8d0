// shared_segment.h -- the memory that the CPU ranks of one host share.
//
// Flow: the agent creates the segment -> every trainer maps it ->
// shared_barrier.h counts arrivals in it -> shared_communicator.h moves data
// through it. When a trainer dies, the agent aborts it.
//
// A memfd without a name: it is gone with the last process that holds it,
// whatever happened to them. One segment serves one group once.
//
//   header   abort state and reason, one flag per rank on its own cache lines
//   slots    per rank two inputs and two results, used in turn (parity)
//
// A slot is written by its own rank only. Threading: thread-safe.
#ifndef AUTOTP_WORKER_COLLECTIVE_SHARED_SEGMENT_H_
#define AUTOTP_WORKER_COLLECTIVE_SHARED_SEGMENT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace autotp::collective {

class SharedSegment {
 public:
  static constexpr int kMaxRanks = 64;
  // Bytes of one input and of one result: small enough that two steps of all
  // ranks stay in the caches, large enough that meeting costs little.
  static constexpr int64_t kInputBytes = 256 << 10;

  // What one rank tells the others. Atomics without locks work between
  // processes too.
  struct alignas(128) Flag {
    std::atomic<uint32_t> arrivals;  // futex word: meetings it has come to
    std::atomic<uint32_t> sleepers;  // ranks that sleep on `arrivals`
    std::atomic<int32_t> pid;        // 0 until it has joined
    std::atomic<uint32_t> left;      // 1: its communicator is destroyed
  };

  // The descriptor of a fresh segment, closed on exec.
  static absl::StatusOr<int> Create(int ranks);
  // The descriptor may be closed afterwards. INVALID_ARGUMENT if it is not a
  // segment of this layout.
  static absl::StatusOr<std::shared_ptr<SharedSegment>> Map(int descriptor);
  // Abort() without mapping the slots; nothing if it is not a segment.
  static void AbortDescriptor(int descriptor, absl::string_view reason);

  ~SharedSegment();
  SharedSegment(const SharedSegment&) = delete;
  SharedSegment& operator=(const SharedSegment&) = delete;

  int ranks() const;
  Flag& flag(int rank) const;
  std::byte* input(int rank, int parity) const;
  std::byte* result(int rank, int parity) const;  // ResultBytes() of them
  // Enough for one rank's share of an input, rounded up to cache lines.
  int64_t ResultBytes() const;

  // The first reason stays. Wakes every sleeper.
  void Abort(absl::string_view reason);
  bool aborted() const;
  // UNAVAILABLE with the reason; OK while nobody has aborted.
  absl::Status AbortStatus() const;

 private:
  struct Header;
  SharedSegment(void* base, int64_t bytes) : base_(base), bytes_(bytes) {}
  static void AbortHeader(Header& header, absl::string_view reason);
  Header& header() const { return *static_cast<Header*>(base_); }

  void* base_;
  int64_t bytes_;
};

// Sleeps until `word` is woken or was not `expected`, `milliseconds` at most.
void FutexWait(std::atomic<uint32_t>& word, uint32_t expected,
               int milliseconds);
void FutexWakeAll(std::atomic<uint32_t>& word);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_SHARED_SEGMENT_H_
