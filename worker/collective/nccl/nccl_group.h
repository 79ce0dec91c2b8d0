// nccl_group.h -- one ncclComm_t, its stream, and the thread that watches it.
//
// Everything about NCCL's life is here: forming, starting a call, errors,
// deadlines, aborting, ending. nccl_communicator.cc knows the collectives.
//
// Invariant: once status() is an error it stays, and the ncclComm_t is gone.
// Threading: Start and Split from one thread, the rest from any.
#ifndef AUTOTP_WORKER_COLLECTIVE_NCCL_NCCL_GROUP_H_
#define AUTOTP_WORKER_COLLECTIVE_NCCL_NCCL_GROUP_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "worker/collective/nccl/nccl_api.h"
#include "worker/cuda/device_api.h"

namespace autotp::collective {

// An event of the device, destroyed with the last who needs it.
using DeviceEvent = std::shared_ptr<void>;

class NcclGroup {
 public:
  // Calls NCCL's `init`, which puts a communicator where it is told, and
  // waits until NCCL has formed it.
  using Init = std::function<ncclResult_t(ncclComm_t*, ncclConfig_t*)>;
  static absl::StatusOr<std::unique_ptr<NcclGroup>> Form(
      const NcclApi& nccl, const AutotpDeviceApi* device, const Init& init,
      absl::Duration form_timeout, absl::Duration call_timeout);
  // Lets calls under way end, up to the call timeout.
  ~NcclGroup();
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  const NcclApi& nccl() const { return nccl_; }
  const AutotpDeviceApi* device() const { return device_; }

  // Starts `call` on the group's stream, after the current stream's work so
  // far. The event comes when the call is over.
  using Call = std::function<ncclResult_t(ncclComm_t, cudaStream_t)>;
  absl::StatusOr<DeviceEvent> Start(const Call& call);
  // The host waits for the event.
  absl::Status WaitFor(const DeviceEvent& event);
  // A group of the ranks with the same color, in the order of `rank`. All
  // ranks of this group call it.
  absl::StatusOr<std::unique_ptr<NcclGroup>> Split(int color, int rank,
                                                   absl::Duration form_timeout);

  absl::Status status() const;
  void Abort(const std::string& reason);

 private:
  struct Pending {
    DeviceEvent done;
    absl::Time deadline;
  };

  NcclGroup(const NcclApi& nccl, const AutotpDeviceApi* device,
            absl::Duration call_timeout);
  absl::Status Prepare();
  absl::StatusOr<DeviceEvent> MakeEvent() const;
  absl::Status DeviceStatus(int code, const char* what) const;
  absl::Status NcclStatus(ncclResult_t result, const char* what) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits while NCCL says that `*comm` is in progress.
  absl::Status Settle(ncclResult_t result, ncclComm_t* comm,
                      absl::Time deadline, const char* what)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes `status` the group's and hands its ncclComm_t to the monitor, which
  // aborts it. Returns the group's status.
  absl::Status Kill(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Kill, then Quiet.
  absl::Status Fail(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The group's status; an error only when the abort is over, and nothing of
  // NCCL's still reads or writes the callers' buffers.
  absl::Status Quiet() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Monitor();
  void Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End();

  const NcclApi nccl_;
  const AutotpDeviceApi* const device_;
  const absl::Duration call_timeout_;
  int device_index_ = 0;
  void* stream_ = nullptr;

  mutable absl::Mutex mutex_;
  mutable absl::CondVar changed_;
  ncclComm_t comm_ ABSL_GUARDED_BY(mutex_) = nullptr;
  ncclComm_t doomed_ ABSL_GUARDED_BY(mutex_) = nullptr;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread monitor_;
};

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_NCCL_NCCL_GROUP_H_
