#include "worker/collective/local_communicator.h"

#include <cstring>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "proto/support/status_macros.h"
#include "worker/collective/arguments.h"
#include "worker/collective/inline_work.h"

namespace autotp::collective {
namespace {

class LocalCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string Describe() const override { return "local, rank 0 of 1"; }

  std::unique_ptr<Work> AllReduce(Buffer buffer, Reduction) override {
    absl::Status status = CheckReducible(buffer);
    return Done(status.ok() ? Alive() : status);
  }
  std::unique_ptr<Work> ReduceScatter(Buffer whole, Buffer part,
                                      Reduction) override {
    absl::Status status = CheckReducible(whole);
    return Done(status.ok() ? Copy(whole, part) : status);
  }
  std::unique_ptr<Work> AllGather(Buffer part, Buffer whole) override {
    return Done(Copy(part, whole));
  }
  std::unique_ptr<Work> Broadcast(Buffer, int root) override {
    absl::Status status = CheckRoot(root, 1);
    return Done(status.ok() ? Alive() : status);
  }
  absl::Status Barrier() override { return Alive(); }

  void Abort(const std::string& reason) override {
    absl::MutexLock lock(&mutex_);
    if (aborted_.ok()) {
      aborted_ = absl::UnavailableError(
          absl::StrCat("the group was aborted: ", reason));
    }
  }

 private:
  absl::Status Alive() {
    absl::MutexLock lock(&mutex_);
    return aborted_;
  }
  absl::Status Copy(const Buffer& from, const Buffer& to) {
    AUTOTP_RETURN_IF_ERROR(CheckParts(to, from, 1));
    AUTOTP_RETURN_IF_ERROR(Alive());
    if (from.count > 0 && from.data != to.data) {
      std::memcpy(to.data, from.data, from.count * SizeOf(from.type));
    }
    return absl::OkStatus();
  }

  absl::Mutex mutex_;
  absl::Status aborted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Communicator> CreateLocalCommunicator() {
  return std::make_unique<LocalCommunicator>();
}

}  // namespace autotp::collective
