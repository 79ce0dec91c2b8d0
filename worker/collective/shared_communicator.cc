// The protocol of all collectives here. A step is one meeting: before it, a
// rank writes only its own inputs of this parity; after it, it reads inputs of
// this parity, writes its own result of this parity, and reads results of the
// step before. Parity alternates, so a rank that overwrites its input (before
// meeting k + 2) or its result (after it) knows from meeting k + 1, or k + 2,
// that all have finished with the old one. No second meeting is needed, and
// copying in, reducing and copying out of neighbouring steps overlap.
#include "worker/collective/shared_communicator.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/collective/arguments.h"
#include "worker/collective/inline_work.h"
#include "worker/collective/reduce.h"
#include "worker/collective/shared_barrier.h"

namespace autotp::collective {
namespace {

// Up to here every rank reads all inputs and adds them up itself: one meeting
// and more reading is quicker than two meetings.
constexpr int64_t kOneMeetingBytes = 32 << 10;
// A result is made in pieces that are still in the first cache when they are
// copied for the others.
constexpr int64_t kPieceBytes = 16 << 10;

std::byte* At(const Buffer& buffer, int64_t element) {
  return static_cast<std::byte*>(buffer.data) + element * SizeOf(buffer.type);
}

class SharedCommunicator final : public Communicator {
 public:
  SharedCommunicator(std::shared_ptr<SharedSegment> segment,
                     std::unique_ptr<SharedBarrier> barrier, int rank)
      : segment_(std::move(segment)),
        barrier_(std::move(barrier)),
        rank_(rank),
        size_(segment_->ranks()) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string Describe() const override {
    return absl::StrCat("shared memory, rank ", rank_, " of ", size_);
  }

  std::unique_ptr<Work> AllReduce(Buffer buffer, Reduction op) override {
    if (absl::Status bad = CheckReducible(buffer); !bad.ok()) return Done(bad);
    const int64_t bytes = buffer.count * SizeOf(buffer.type);
    const bool one = bytes * size_ <= kOneMeetingBytes;
    return Run([&] {
      return one ? AllReduceAtOnce(buffer, op) : AllReduceInSteps(buffer, op);
    });
  }

  std::unique_ptr<Work> ReduceScatter(Buffer whole, Buffer part,
                                      Reduction op) override {
    absl::Status bad = CheckReducible(whole);
    if (bad.ok()) bad = CheckParts(whole, part, size_);
    if (!bad.ok()) return Done(bad);
    return Run([&] { return ReduceScatterInSteps(whole, part, op); });
  }

  std::unique_ptr<Work> AllGather(Buffer part, Buffer whole) override {
    absl::Status bad = CheckParts(whole, part, size_);
    if (!bad.ok()) return Done(bad);
    return Run([&] { return AllGatherInSteps(part, whole); });
  }

  std::unique_ptr<Work> Broadcast(Buffer buffer, int root) override {
    absl::Status bad = CheckRoot(root, size_);
    if (!bad.ok()) return Done(bad);
    return Run([&] { return BroadcastInSteps(buffer, root); });
  }

  absl::Status Barrier() override {
    return Run([&] { return Meet(); })->Wait();
  }

  void Abort(const std::string& reason) override { segment_->Abort(reason); }

 private:
  template <typename Call>
  std::unique_ptr<Work> Run(Call call) {
    if (dead_.ok() && segment_->aborted()) dead_ = segment_->AbortStatus();
    if (dead_.ok()) dead_ = call();
    return Done(dead_);
  }

  absl::Status Meet() {
    parity_ ^= 1;
    return barrier_->ArriveAndWait();
  }

  // The inputs of this step, in rank order, from `offset` bytes on; this
  // rank's own is read where it lies.
  const void* const* Inputs(int64_t offset, const void* own) {
    for (int r = 0; r < size_; ++r) {
      inputs_[r] = r == rank_ ? own : segment_->input(r, parity_) + offset;
    }
    return inputs_;
  }

  absl::Status AllReduceAtOnce(const Buffer& buffer, Reduction op);
  absl::Status AllReduceInSteps(const Buffer& buffer, Reduction op);
  absl::Status ReduceScatterInSteps(const Buffer& whole, const Buffer& part,
                                    Reduction op);
  absl::Status AllGatherInSteps(const Buffer& part, const Buffer& whole);
  absl::Status BroadcastInSteps(const Buffer& buffer, int root);

  const std::shared_ptr<SharedSegment> segment_;
  const std::unique_ptr<SharedBarrier> barrier_;
  const int rank_;
  const int size_;
  absl::Status dead_;
  int parity_ = 0;  // of the last meeting; the next one's is the other
  const void* inputs_[SharedSegment::kMaxRanks];
};

absl::Status SharedCommunicator::AllReduceAtOnce(const Buffer& buffer,
                                                 Reduction op) {
  if (buffer.count == 0) return absl::OkStatus();
  std::memcpy(segment_->input(rank_, parity_ ^ 1), buffer.data,
              buffer.count * SizeOf(buffer.type));
  AUTOTP_RETURN_IF_ERROR(Meet());
  Reduce(buffer.type, op, Inputs(0, buffer.data), size_, buffer.count,
         buffer.data);
  return absl::OkStatus();
}

absl::Status SharedCommunicator::AllReduceInSteps(const Buffer& buffer,
                                                  Reduction op) {
  const int64_t width = SizeOf(buffer.type);
  const int64_t per_step = SharedSegment::kInputBytes / width;
  const int64_t steps = (buffer.count + per_step - 1) / per_step;
  const auto count = [&](int64_t step) {
    return std::min(per_step, buffer.count - step * per_step);
  };
  // The share of rank r of a step's n elements is [Share(n, r), Share(n, r+1)).
  const auto share = [this](int64_t n, int r) { return n * r / size_; };
  for (int64_t step = 0; step <= steps; ++step) {
    if (step < steps) {  // what the others will reduce
      const int64_t n = count(step);
      const int64_t begin = share(n, rank_), end = share(n, rank_ + 1);
      std::byte* input = segment_->input(rank_, parity_ ^ 1);
      const std::byte* own = At(buffer, step * per_step);
      std::memcpy(input, own, begin * width);
      std::memcpy(input + end * width, own + end * width, (n - end) * width);
    }
    AUTOTP_RETURN_IF_ERROR(Meet());
    if (step < steps) {  // this rank's share
      const int64_t n = count(step);
      const int64_t begin = share(n, rank_), end = share(n, rank_ + 1);
      const int64_t piece = kPieceBytes / width;
      std::byte* result = segment_->result(rank_, parity_);
      for (int64_t i = begin; i < end; i += piece) {
        const int64_t m = std::min(piece, end - i);
        std::byte* own = At(buffer, step * per_step + i);
        Reduce(buffer.type, op, Inputs(i * width, own), size_, m, own);
        std::memcpy(result + (i - begin) * width, own, m * width);
      }
    }
    if (step > 0) {  // the others' shares of the step before
      const int64_t n = count(step - 1);
      for (int i = 1; i < size_; ++i) {
        const int r = (rank_ + i) % size_;
        std::memcpy(At(buffer, (step - 1) * per_step + share(n, r)),
                    segment_->result(r, parity_ ^ 1),
                    (share(n, r + 1) - share(n, r)) * width);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status SharedCommunicator::ReduceScatterInSteps(const Buffer& whole,
                                                      const Buffer& part,
                                                      Reduction op) {
  const int64_t width = SizeOf(whole.type);
  const int64_t per_step = SharedSegment::kInputBytes / width / size_;
  for (int64_t done = 0; done < part.count; done += per_step) {
    const int64_t n = std::min(per_step, part.count - done);
    std::byte* input = segment_->input(rank_, parity_ ^ 1);
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      std::memcpy(input + r * per_step * width,
                  At(whole, r * part.count + done), n * width);
    }
    AUTOTP_RETURN_IF_ERROR(Meet());
    Reduce(
        whole.type, op,
        Inputs(rank_ * per_step * width, At(whole, rank_ * part.count + done)),
        size_, n, At(part, done));
  }
  return absl::OkStatus();
}

absl::Status SharedCommunicator::AllGatherInSteps(const Buffer& part,
                                                  const Buffer& whole) {
  const int64_t width = SizeOf(part.type);
  const int64_t per_step = SharedSegment::kInputBytes / width;
  std::byte* own_place = At(whole, rank_ * part.count);
  if (part.count > 0 && own_place != part.data) {
    std::memmove(own_place, part.data, part.count * width);
  }
  for (int64_t done = 0; done < part.count; done += per_step) {
    const int64_t bytes = std::min(per_step, part.count - done) * width;
    std::memcpy(segment_->input(rank_, parity_ ^ 1), own_place + done * width,
                bytes);
    AUTOTP_RETURN_IF_ERROR(Meet());
    for (int i = 1; i < size_; ++i) {
      const int r = (rank_ + i) % size_;
      std::memcpy(At(whole, r * part.count + done), segment_->input(r, parity_),
                  bytes);
    }
  }
  return absl::OkStatus();
}

absl::Status SharedCommunicator::BroadcastInSteps(const Buffer& buffer,
                                                  int root) {
  const int64_t width = SizeOf(buffer.type);
  const int64_t per_step = SharedSegment::kInputBytes / width;
  for (int64_t done = 0; done < buffer.count; done += per_step) {
    const int64_t bytes = std::min(per_step, buffer.count - done) * width;
    if (rank_ == root) {
      std::memcpy(segment_->input(root, parity_ ^ 1), At(buffer, done), bytes);
    }
    AUTOTP_RETURN_IF_ERROR(Meet());
    if (rank_ != root) {
      std::memcpy(At(buffer, done), segment_->input(root, parity_), bytes);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> CreateSharedCommunicator(
    std::shared_ptr<SharedSegment> segment, int rank,
    absl::Duration form_timeout, absl::Duration call_timeout) {
  if (rank < 0 || rank >= segment->ranks()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rank ", rank, " of a shared-memory segment for ", segment->ranks()));
  }
  AUTOTP_ASSIGN_OR_RETURN(
      std::unique_ptr<SharedBarrier> barrier,
      SharedBarrier::Join(segment, rank, form_timeout, call_timeout));
  return std::make_unique<SharedCommunicator>(std::move(segment),
                                              std::move(barrier), rank);
}

}  // namespace autotp::collective
