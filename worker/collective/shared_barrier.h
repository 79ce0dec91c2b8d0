// shared_barrier.h -- where the ranks of a shared-memory group meet.
//
// Every rank counts its own arrivals; a meeting is over when all have come.
// What a rank wrote before it arrived, all may read afterwards.
//
// A wait spins first (the others come within microseconds), then yields (more
// ranks than cores), then sleeps in slices of 20 ms; between the slices it
// looks whether the peer still lives, whether the group was aborted, and at
// the deadline. Any of these aborts the group for all.
//
// Threading: one thread per object.
#ifndef AUTOTP_WORKER_COLLECTIVE_SHARED_BARRIER_H_
#define AUTOTP_WORKER_COLLECTIVE_SHARED_BARRIER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "worker/collective/shared_segment.h"

namespace autotp::collective {

class SharedBarrier {
 public:
  // Waits until all ranks have joined. ALREADY_EXISTS if `rank` has joined
  // before: a segment serves once.
  static absl::StatusOr<std::unique_ptr<SharedBarrier>> Join(
      std::shared_ptr<SharedSegment> segment, int rank,
      absl::Duration form_timeout, absl::Duration call_timeout);
  // Peers that would wait for this rank get UNAVAILABLE.
  ~SharedBarrier();
  SharedBarrier(const SharedBarrier&) = delete;
  SharedBarrier& operator=(const SharedBarrier&) = delete;

  absl::Status ArriveAndWait() { return ArriveAndWait(call_timeout_); }

 private:
  SharedBarrier(std::shared_ptr<SharedSegment> segment, int rank,
                absl::Duration call_timeout);
  absl::Status ArriveAndWait(absl::Duration timeout);
  bool Arrived(int peer) const;
  absl::Status WaitFor(int peer, absl::Duration timeout);
  absl::Status WaitAsleep(int peer, absl::Duration timeout);
  bool PeerIsDead(int peer);
  // Aborts the group with `status` as the reason and returns it.
  absl::Status Fail(absl::Status status);

  const std::shared_ptr<SharedSegment> segment_;
  const int rank_;
  const absl::Duration call_timeout_;
  int spins_ = 0;
  uint32_t meeting_ = 0;
  std::vector<int> pidfds_;  // -1: not open yet, or the kernel has none
};

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_SHARED_BARRIER_H_
