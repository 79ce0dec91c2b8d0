#include "worker/collective/gloo/gloo_communicator.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "proto/support/status_macros.h"
#include "worker/collective/arguments.h"
#include "worker/collective/gloo/gloo_library.h"
#include "worker/collective/inline_work.h"
#include "worker/collective/reduce.h"

namespace autotp::collective {
namespace {

// Up to here every rank sends all to all and adds up by itself: one round
// instead of two.
constexpr int64_t kOneRoundBytes = 16 << 10;
// Bytes of a buffer that one step handles: bounds the memory for what the
// others send, and lets the sum of a step overlap the exchange around it.
constexpr int64_t kStepBytes = 4 << 20;

std::byte* At(const Buffer& buffer, int64_t element) {
  return static_cast<std::byte*>(buffer.data) + element * SizeOf(buffer.type);
}

// The messages of one round.
class Round {
 public:
  explicit Round(uint64_t first_slot) : slot_(first_slot) {}
  // Later messages are not mixed up with earlier ones to the same peer.
  void NextSlot() { ++slot_; }
  void Send(int peer, const void* data, int64_t bytes) {
    Add(sends_, peer, const_cast<void*>(data), bytes);
  }
  void Receive(int peer, void* data, int64_t bytes) {
    Add(receives_, peer, data, bytes);
  }
  const std::vector<AutotpGlooTransfer>& sends() const { return sends_; }
  const std::vector<AutotpGlooTransfer>& receives() const { return receives_; }

 private:
  void Add(std::vector<AutotpGlooTransfer>& list, int peer, void* data,
           int64_t bytes) {
    if (bytes == 0) return;  // both sides know
    list.push_back({peer, slot_, data, static_cast<size_t>(bytes)});
  }
  uint64_t slot_;
  std::vector<AutotpGlooTransfer> sends_, receives_;
};

class GlooCommunicator final : public Communicator {
 public:
  GlooCommunicator(const AutotpGlooApi* api, AutotpGlooMesh* mesh, int rank,
                   int size, absl::Duration timeout)
      : api_(api), mesh_(mesh), rank_(rank), size_(size), timeout_(timeout) {}
  ~GlooCommunicator() override { api_->destroy(mesh_); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string Describe() const override {
    return absl::StrCat("Gloo, rank ", rank_, " of ", size_);
  }

  std::unique_ptr<Work> AllReduce(Buffer buffer, Reduction op) override {
    if (absl::Status bad = CheckReducible(buffer); !bad.ok()) return Done(bad);
    const int64_t bytes = buffer.count * SizeOf(buffer.type);
    const bool one = bytes * size_ <= kOneRoundBytes;
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
    if (absl::Status bad = CheckParts(whole, part, size_); !bad.ok()) {
      return Done(bad);
    }
    return Run([&] { return AllGatherAtOnce(part, whole); });
  }
  std::unique_ptr<Work> Broadcast(Buffer buffer, int root) override {
    if (absl::Status bad = CheckRoot(root, size_); !bad.ok()) return Done(bad);
    return Run([&] { return BroadcastAtOnce(buffer, root); });
  }
  absl::Status Barrier() override {
    return Run([&] {
             char mine = 0;
             std::vector<char> theirs(size_);
             Round round(NextSlots());
             ForEachPeer([&](int r) {
               round.Send(r, &mine, 1);
               round.Receive(r, &theirs[r], 1);
             });
             return Exchange(round);
           })
        ->Wait();
  }
  void Abort(const std::string& reason) override {
    {
      absl::MutexLock lock(&mutex_);
      if (!aborted_.ok()) return;
      aborted_ = absl::UnavailableError(
          absl::StrCat("the group was aborted: ", reason));
    }
    api_->abort(mesh_);
  }

 private:
  template <typename Call>
  std::unique_ptr<Work> Run(Call call) {
    if (dead_.ok()) {
      absl::MutexLock lock(&mutex_);
      dead_ = aborted_;
    }
    if (dead_.ok()) dead_ = call();
    return Done(dead_);
  }

  template <typename Function>
  void ForEachPeer(Function function) const {
    for (int i = 1; i < size_; ++i) function((rank_ + i) % size_);
  }

  // Room for the inputs of the other ranks; they stay there until the next
  // call. This rank's own is read where it lies.
  std::byte* Scratch(int64_t bytes_per_rank) {
    scratch_.resize(std::max<size_t>(scratch_.size(), size_ * bytes_per_rank));
    return scratch_.data();
  }
  const void* const* Inputs(int64_t bytes_per_rank, const void* own) {
    inputs_.resize(size_);
    for (int r = 0; r < size_; ++r) {
      inputs_[r] = r == rank_ ? own : scratch_.data() + r * bytes_per_rank;
    }
    return inputs_.data();
  }

  uint64_t NextSlots() { return slot_ += 2; }  // two: see Round::NextSlot
  absl::Status Exchange(const Round& round);
  absl::Status AllReduceAtOnce(const Buffer& buffer, Reduction op);
  absl::Status AllReduceInSteps(const Buffer& buffer, Reduction op);
  absl::Status ReduceScatterInSteps(const Buffer& whole, const Buffer& part,
                                    Reduction op);
  absl::Status AllGatherAtOnce(const Buffer& part, const Buffer& whole);
  absl::Status BroadcastAtOnce(const Buffer& buffer, int root);

  const AutotpGlooApi* const api_;
  AutotpGlooMesh* const mesh_;
  const int rank_;
  const int size_;
  const absl::Duration timeout_;
  absl::Status dead_;
  uint64_t slot_ = 0;
  std::vector<std::byte> scratch_;
  std::vector<const void*> inputs_;
  absl::Mutex mutex_;
  absl::Status aborted_ ABSL_GUARDED_BY(mutex_);
};

absl::Status ToStatus(const AutotpGlooError& error) {
  switch (error.code) {
    case kAutotpGlooTimeout:
      return absl::DeadlineExceededError(error.message);
    case kAutotpGlooBroken:
      return absl::FailedPreconditionError(
          absl::StrCat(error.message,
                       ", not from libgloo: the loader has mixed it with "
                       "LibTorch's; load libautotp_gloo.so by dlopen only"));
    default:
      return absl::UnavailableError(error.message);
  }
}

absl::Status GlooCommunicator::Exchange(const Round& round) {
  AutotpGlooError error{};
  const int code =
      api_->exchange(mesh_, round.sends().data(), round.sends().size(),
                     round.receives().data(), round.receives().size(),
                     absl::ToInt64Milliseconds(timeout_), &error);
  if (code == kAutotpGlooOk) return absl::OkStatus();
  if (code == kAutotpGlooAborted) {
    absl::MutexLock lock(&mutex_);
    if (!aborted_.ok()) return aborted_;
  }
  return Annotate(
      ToStatus(error),
      code == kAutotpGlooTimeout
          ? absl::StrCat("rank ", rank_, " waited ",
                         absl::FormatDuration(timeout_),
                         " for the others of its group")
          : absl::StrCat("rank ", rank_, " has lost a rank of its group"));
}

absl::Status GlooCommunicator::AllReduceAtOnce(const Buffer& buffer,
                                               Reduction op) {
  if (buffer.count == 0) return absl::OkStatus();
  const int64_t bytes = buffer.count * SizeOf(buffer.type);
  std::byte* scratch = Scratch(bytes);
  Round round(NextSlots());
  ForEachPeer([&](int r) {
    round.Send(r, buffer.data, bytes);
    round.Receive(r, scratch + r * bytes, bytes);
  });
  AUTOTP_RETURN_IF_ERROR(Exchange(round));
  Reduce(buffer.type, op, Inputs(bytes, buffer.data), size_, buffer.count,
         buffer.data);
  return absl::OkStatus();
}

// Round k scatters step k and gathers the sums of step k - 1.
absl::Status GlooCommunicator::AllReduceInSteps(const Buffer& buffer,
                                                Reduction op) {
  const int64_t width = SizeOf(buffer.type);
  const int64_t per_step = kStepBytes / width;
  const int64_t steps = (buffer.count + per_step - 1) / per_step;
  const int64_t share_bytes =
      (std::min(per_step, buffer.count) / size_ + 1) * width;
  std::byte* scratch = Scratch(share_bytes);
  // First element of the share of rank r in a step; r may be size_.
  const auto share = [&](int64_t step, int r) {
    const int64_t n = std::min(per_step, buffer.count - step * per_step);
    return step * per_step + n * r / size_;
  };
  const auto share_size = [&](int64_t step, int r) {
    return share(step, r + 1) - share(step, r);
  };
  for (int64_t step = 0; step <= steps; ++step) {
    Round round(NextSlots());
    if (step < steps) {
      const int64_t mine = share_size(step, rank_) * width;
      ForEachPeer([&](int r) {
        round.Send(r, At(buffer, share(step, r)), share_size(step, r) * width);
        round.Receive(r, scratch + r * share_bytes, mine);
      });
    }
    round.NextSlot();
    if (step > 0) {
      const int64_t mine = share_size(step - 1, rank_) * width;
      ForEachPeer([&](int r) {
        round.Send(r, At(buffer, share(step - 1, rank_)), mine);
        round.Receive(r, At(buffer, share(step - 1, r)),
                      share_size(step - 1, r) * width);
      });
    }
    AUTOTP_RETURN_IF_ERROR(Exchange(round));
    if (step < steps) {
      std::byte* own = At(buffer, share(step, rank_));
      Reduce(buffer.type, op, Inputs(share_bytes, own), size_,
             share_size(step, rank_), own);
    }
  }
  return absl::OkStatus();
}

absl::Status GlooCommunicator::ReduceScatterInSteps(const Buffer& whole,
                                                    const Buffer& part,
                                                    Reduction op) {
  const int64_t width = SizeOf(whole.type);
  const int64_t per_step = std::max<int64_t>(kStepBytes / width / size_, 1);
  for (int64_t done = 0; done < part.count; done += per_step) {
    const int64_t n = std::min(per_step, part.count - done);
    std::byte* scratch = Scratch(n * width);
    Round round(NextSlots());
    ForEachPeer([&](int r) {
      round.Send(r, At(whole, r * part.count + done), n * width);
      round.Receive(r, scratch + r * n * width, n * width);
    });
    AUTOTP_RETURN_IF_ERROR(Exchange(round));
    Reduce(whole.type, op,
           Inputs(n * width, At(whole, rank_ * part.count + done)), size_, n,
           At(part, done));
  }
  return absl::OkStatus();
}

absl::Status GlooCommunicator::AllGatherAtOnce(const Buffer& part,
                                               const Buffer& whole) {
  if (part.count == 0) return absl::OkStatus();
  const int64_t bytes = part.count * SizeOf(part.type);
  std::byte* own = At(whole, rank_ * part.count);
  if (own != part.data) std::memmove(own, part.data, bytes);
  Round round(NextSlots());
  ForEachPeer([&](int r) {
    round.Send(r, own, bytes);
    round.Receive(r, At(whole, r * part.count), bytes);
  });
  return Exchange(round);
}

absl::Status GlooCommunicator::BroadcastAtOnce(const Buffer& buffer, int root) {
  if (buffer.count == 0) return absl::OkStatus();
  const int64_t bytes = buffer.count * SizeOf(buffer.type);
  Round round(NextSlots());
  if (rank_ == root) {
    ForEachPeer([&](int r) { round.Send(r, buffer.data, bytes); });
  } else {
    round.Receive(root, buffer.data, bytes);
  }
  return Exchange(round);
}

// What the store's C functions work on, and the last error that they met.
struct Rendezvous {
  KeyStore& keys;
  std::string prefix;
  absl::Status status;
};

int SetKey(void* context, const char* key, const void* value, size_t bytes) {
  auto* rendezvous = static_cast<Rendezvous*>(context);
  rendezvous->status =
      rendezvous->keys.Set(rendezvous->prefix + key,
                           std::string(static_cast<const char*>(value), bytes));
  return rendezvous->status.ok() ? 0 : -1;
}

int64_t GetKey(void* context, const char* key, void* value, size_t capacity,
               int64_t timeout_ms) {
  auto* rendezvous = static_cast<Rendezvous*>(context);
  const auto got = rendezvous->keys.Get(rendezvous->prefix + key,
                                        absl::Milliseconds(timeout_ms));
  if (!got.ok()) rendezvous->status = got.status();
  if (!got.ok() || got->size() > capacity) return -1;
  std::memcpy(value, got->data(), got->size());
  return static_cast<int64_t>(got->size());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> CreateGlooCommunicator(
    int rank, int size, const std::string& key, KeyStore& keys,
    const GroupOptions& options) {
  if (options.data_address.empty()) {
    return absl::FailedPreconditionError(
        "no address at which other hosts reach this one; start the worker "
        "with its data address");
  }
  AUTOTP_ASSIGN_OR_RETURN(const AutotpGlooApi* api,
                          LoadGloo(options.plugin_directory));
  Rendezvous rendezvous{keys, absl::StrCat(key, "/gloo/"), absl::OkStatus()};
  const AutotpGlooStore store{&rendezvous, SetKey, GetKey};
  AutotpGlooError error{};
  AutotpGlooMesh* mesh =
      api->connect(rank, size, options.data_address.c_str(), &store,
                   absl::ToInt64Milliseconds(options.form_timeout), &error);
  if (mesh == nullptr) {
    const std::string what =
        absl::StrCat("cannot connect from ", options.data_address,
                     " to the ranks of the group");
    return Annotate(
        rendezvous.status.ok() ? ToStatus(error) : rendezvous.status, what);
  }
  return std::make_unique<GlooCommunicator>(api, mesh, rank, size,
                                            options.call_timeout);
}

}  // namespace autotp::collective
