#include "worker/collective/shared_barrier.h"

#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::collective {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kSliceMilliseconds = 20;
constexpr int kYields = 50;

void Pause() {
#ifdef __x86_64__
  __builtin_ia32_pause();
#endif
}

int AvailableCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return CPU_COUNT(&set);
}

}  // namespace

SharedBarrier::SharedBarrier(std::shared_ptr<SharedSegment> segment, int rank,
                             absl::Duration call_timeout)
    : segment_(std::move(segment)),
      rank_(rank),
      call_timeout_(call_timeout),
      pidfds_(segment_->ranks(), -1) {
  // With a core for each, the peer is about to come; else it needs this one.
  spins_ = AvailableCpus() >= segment_->ranks() ? 1000 : 50;
}

absl::StatusOr<std::unique_ptr<SharedBarrier>> SharedBarrier::Join(
    std::shared_ptr<SharedSegment> segment, int rank,
    absl::Duration form_timeout, absl::Duration call_timeout) {
  int32_t unclaimed = 0;
  if (!segment->flag(rank).pid.compare_exchange_strong(unclaimed, getpid())) {
    return absl::AlreadyExistsError(
        absl::StrCat("rank ", rank,
                     " of this shared-memory segment was taken "
                     "by process ",
                     unclaimed, "; make a new segment for each attempt"));
  }
  std::unique_ptr<SharedBarrier> barrier(
      new SharedBarrier(std::move(segment), rank, call_timeout));
  AUTOTP_RETURN_IF_ERROR(barrier->ArriveAndWait(form_timeout));
  for (int peer = 0; peer < barrier->segment_->ranks(); ++peer) {
    if (peer != rank) barrier->PeerIsDead(peer);  // opens its pidfd
  }
  return barrier;
}

SharedBarrier::~SharedBarrier() {
  SharedSegment::Flag& mine = segment_->flag(rank_);
  mine.left.store(1);
  FutexWakeAll(mine.arrivals);
  for (int pidfd : pidfds_) {
    if (pidfd >= 0) close(pidfd);
  }
}

absl::Status SharedBarrier::ArriveAndWait(absl::Duration timeout) {
  if (segment_->aborted()) return segment_->AbortStatus();
  SharedSegment::Flag& mine = segment_->flag(rank_);
  // Sequentially consistent, as in WaitAsleep: either the sleeper sees the new
  // count, or this sees the sleeper.
  mine.arrivals.store(++meeting_);
  if (mine.sleepers.load() != 0) FutexWakeAll(mine.arrivals);
  const int size = segment_->ranks();
  for (int i = 1; i < size; ++i) {
    AUTOTP_RETURN_IF_ERROR(WaitFor((rank_ + i) % size, timeout));
  }
  return absl::OkStatus();
}

bool SharedBarrier::Arrived(int peer) const {
  const uint32_t count =
      segment_->flag(peer).arrivals.load(std::memory_order_acquire);
  return static_cast<int32_t>(count - meeting_) >= 0;  // counts may wrap
}

absl::Status SharedBarrier::WaitFor(int peer, absl::Duration timeout) {
  for (int i = 0; i < spins_; ++i) {
    if (Arrived(peer)) return absl::OkStatus();
    Pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (Arrived(peer)) return absl::OkStatus();
    sched_yield();
  }
  return WaitAsleep(peer, timeout);
}

absl::Status SharedBarrier::WaitAsleep(int peer, absl::Duration timeout) {
  const auto deadline = SteadyClock::now() + absl::ToChronoNanoseconds(timeout);
  SharedSegment::Flag& flag = segment_->flag(peer);
  while (!Arrived(peer)) {
    if (segment_->aborted()) return segment_->AbortStatus();
    // Both asked before the last look at its arrivals: a peer may come and
    // then leave.
    const bool left = flag.left.load() != 0;
    const bool dead = PeerIsDead(peer);
    if (Arrived(peer)) break;
    if (left) {
      return Fail(absl::UnavailableError(
          absl::StrCat("rank ", peer, " has left the group")));
    }
    if (dead) {
      return Fail(absl::UnavailableError(
          absl::StrCat("the process of rank ", peer, " has ended (pid ",
                       flag.pid.load(), "); see its log")));
    }
    if (SteadyClock::now() >= deadline) {
      return Fail(absl::DeadlineExceededError(
          absl::StrCat("rank ", rank_, " waited ",
                       absl::FormatDuration(timeout), " for rank ", peer,
                       flag.pid.load() == 0 ? ", which never joined" : "",
                       "; see the log of that rank")));
    }
    flag.sleepers.fetch_add(1);
    const uint32_t count = flag.arrivals.load();
    if (static_cast<int32_t>(count - meeting_) < 0) {
      FutexWait(flag.arrivals, count, kSliceMilliseconds);
    }
    flag.sleepers.fetch_sub(1);
  }
  return absl::OkStatus();
}

bool SharedBarrier::PeerIsDead(int peer) {
  int& pidfd = pidfds_[peer];
  if (pidfd < 0) {
    const pid_t pid = segment_->flag(peer).pid.load();
    if (pid == 0) return false;
    pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    // Where pidfds are forbidden, the agent's abort and the deadline remain.
    if (pidfd < 0) return errno == ESRCH;
  }
  pollfd ended{pidfd, POLLIN, 0};
  return poll(&ended, 1, 0) == 1;
}

absl::Status SharedBarrier::Fail(absl::Status status) {
  segment_->Abort(
      absl::StrCat(status.message(), " (found by rank ", rank_, ")"));
  return status;
}

}  // namespace autotp::collective
