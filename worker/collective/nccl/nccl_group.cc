#include "worker/collective/nccl/nccl_group.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"

namespace autotp::collective {
namespace {

// NCCL and the device can only be asked, not waited for.
constexpr absl::Duration kFormPoll = absl::Milliseconds(1);
constexpr absl::Duration kCallPoll = absl::Microseconds(50);
constexpr absl::Duration kMonitorPoll = absl::Milliseconds(10);
constexpr absl::Duration kEndTimeout = absl::Seconds(10);

}  // namespace

NcclGroup::NcclGroup(const NcclApi& nccl, const AutotpDeviceApi* device,
                     absl::Duration call_timeout)
    : nccl_(nccl), device_(device), call_timeout_(call_timeout) {}

absl::StatusOr<std::unique_ptr<NcclGroup>> NcclGroup::Form(
    const NcclApi& nccl, const AutotpDeviceApi* device, const Init& init,
    absl::Duration form_timeout, absl::Duration call_timeout) {
  const absl::Time deadline = absl::Now() + form_timeout;
  std::unique_ptr<NcclGroup> group(new NcclGroup(nccl, device, call_timeout));
  AUTOTP_RETURN_IF_ERROR(group->Prepare());
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  absl::MutexLock lock(&group->mutex_);
  const ncclResult_t result = init(&group->comm_, &config);
  absl::Status formed = group->Settle(result, &group->comm_, deadline,
                                      "while it formed the group");
  if (!formed.ok()) return group->Kill(std::move(formed));
  return group;
}

absl::Status NcclGroup::Prepare() {
  AUTOTP_RETURN_IF_ERROR(DeviceStatus(device_->current_device(&device_index_),
                                      "cannot tell the current device"));
  AUTOTP_RETURN_IF_ERROR(
      DeviceStatus(device_->create_stream(&stream_), "cannot make a stream"));
  monitor_ = std::thread([this] { Monitor(); });
  return absl::OkStatus();
}

NcclGroup::~NcclGroup() {
  End();
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
    changed_.SignalAll();
  }
  if (monitor_.joinable()) monitor_.join();
  if (stream_ != nullptr) device_->destroy_stream(stream_);
}

// Ends an unharmed communicator in NCCL's own way: finalize sends what is
// still on its way to the others.
void NcclGroup::End() {
  absl::MutexLock lock(&mutex_);
  const absl::Time deadline =
      absl::Now() + std::min(call_timeout_, kEndTimeout);
  while (!pending_.empty() && absl::Now() < deadline) {
    Look();
    if (!pending_.empty()) changed_.WaitWithTimeout(&mutex_, kCallPoll);
  }
  if (comm_ == nullptr) return;
  const absl::Status finalized =
      pending_.empty()
          ? Settle(nccl_.finalize(comm_), &comm_, deadline, "at its end")
          : absl::DeadlineExceededError("calls are still under way");
  if (!finalized.ok()) {
    Kill(finalized).IgnoreError();
    return;
  }
  if (comm_ != nullptr) nccl_.destroy(std::exchange(comm_, nullptr));
}

absl::StatusOr<DeviceEvent> NcclGroup::Start(const Call& call) {
  absl::MutexLock lock(&mutex_);
  AUTOTP_RETURN_IF_ERROR(Quiet());
  AUTOTP_ASSIGN_OR_RETURN(const DeviceEvent ready, MakeEvent());
  AUTOTP_ASSIGN_OR_RETURN(DeviceEvent done, MakeEvent());
  int code = device_->record(ready.get(), device_->current_stream());
  if (code == 0) code = device_->wait(stream_, ready.get());
  if (code != 0) return Fail(DeviceStatus(code, "cannot order the streams"));
  const absl::Time deadline = absl::Now() + call_timeout_;
  absl::Status started = Settle(call(comm_, static_cast<cudaStream_t>(stream_)),
                                &comm_, deadline, "when it started a call");
  if (!started.ok()) return Fail(std::move(started));
  code = device_->record(done.get(), stream_);
  if (code != 0) return Fail(DeviceStatus(code, "cannot record the end"));
  pending_.push_back({done, deadline});
  changed_.SignalAll();
  return done;
}

absl::Status NcclGroup::WaitFor(const DeviceEvent& event) {
  absl::MutexLock lock(&mutex_);
  // The monitor sees to the deadline.
  while (status_.ok() && device_->query(event.get()) != 0) {
    changed_.WaitWithTimeout(&mutex_, kCallPoll);
  }
  return Quiet();
}

absl::StatusOr<std::unique_ptr<NcclGroup>> NcclGroup::Split(
    int color, int rank, absl::Duration form_timeout) {
  const absl::Time deadline = absl::Now() + form_timeout;
  const auto init = [&](ncclComm_t* made,
                        ncclConfig_t* config) -> ncclResult_t {
    absl::MutexLock lock(&mutex_);
    if (comm_ == nullptr) return ncclInvalidUsage;
    const ncclResult_t result = nccl_.split(comm_, color, rank, made, config);
    // The parent is in progress as well, and may not be used before.
    absl::Status settled = Settle(result, &comm_, deadline, "at a split");
    if (settled.ok()) return ncclInProgress;
    Kill(std::move(settled)).IgnoreError();
    return ncclInternalError;
  };
  AUTOTP_RETURN_IF_ERROR(status());
  auto group = Form(nccl_, device_, init, form_timeout, call_timeout_);
  AUTOTP_RETURN_IF_ERROR(status());
  return group;
}

absl::Status NcclGroup::status() const {
  absl::MutexLock lock(&mutex_);
  return Quiet();
}

void NcclGroup::Abort(const std::string& reason) {
  absl::MutexLock lock(&mutex_);
  Kill(absl::UnavailableError(absl::StrCat("the group was aborted: ", reason)))
      .IgnoreError();
}

absl::StatusOr<DeviceEvent> NcclGroup::MakeEvent() const {
  void* event = nullptr;
  AUTOTP_RETURN_IF_ERROR(
      DeviceStatus(device_->create_event(&event), "cannot make an event"));
  return DeviceEvent(event, device_->destroy_event);
}

absl::Status NcclGroup::DeviceStatus(int code, const char* what) const {
  if (code == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      what, ": ", device_->error_text(code), " (CUDA error ", code, ")"));
}

absl::Status NcclGroup::NcclStatus(ncclResult_t result,
                                   const char* what) const {
  const char* detail = comm_ == nullptr ? "" : nccl_.get_last_error(comm_);
  const bool has_detail = detail != nullptr && *detail != '\0';
  return absl::UnavailableError(
      absl::StrCat("NCCL failed ", what, ": ", nccl_.get_error_string(result),
                   has_detail ? "; " : "", has_detail ? detail : "",
                   "; see the logs of all ranks, with NCCL_DEBUG=INFO for "
                   "NCCL's own"));
}

absl::Status NcclGroup::Settle(ncclResult_t result, ncclComm_t* comm,
                               absl::Time deadline, const char* what) {
  const absl::Duration poll = pending_.empty() ? kFormPoll : kCallPoll;
  while (result == ncclInProgress) {
    AUTOTP_RETURN_IF_ERROR(status_);
    AUTOTP_CHECK(*comm != nullptr, "NCCL is in progress with nothing");
    const ncclResult_t asked = nccl_.get_async_error(*comm, &result);
    if (asked != ncclSuccess) result = asked;
    if (result != ncclInProgress) break;
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("NCCL did not come to an end ", what,
                       "; see the logs of the other ranks"));
    }
    changed_.WaitWithTimeout(&mutex_, poll);
  }
  if (!status_.ok()) return status_;
  return result == ncclSuccess ? absl::OkStatus() : NcclStatus(result, what);
}

absl::Status NcclGroup::Kill(absl::Status status) {
  if (status_.ok()) {
    status_ = std::move(status);
    doomed_ = std::exchange(comm_, nullptr);
    changed_.SignalAll();
  }
  return status_;
}

absl::Status NcclGroup::Fail(absl::Status status) {
  Kill(std::move(status)).IgnoreError();
  return Quiet();
}

absl::Status NcclGroup::Quiet() const {
  const absl::Time deadline = absl::Now() + kEndTimeout;
  while (doomed_ != nullptr && absl::Now() < deadline) {
    changed_.WaitWithTimeout(&mutex_, kEndTimeout);
  }
  return status_;
}

void NcclGroup::Look() {
  while (!pending_.empty()) {
    const int code = device_->query(pending_.front().done.get());
    if (code == kAutotpDeviceNotReady) break;
    pending_.pop_front();
    if (code != 0 && status_.ok()) {
      Kill(DeviceStatus(code, "a collective failed on the device"))
          .IgnoreError();
    }
  }
  if (pending_.empty() || comm_ == nullptr) return;
  ncclResult_t result = ncclSuccess;
  const ncclResult_t asked = nccl_.get_async_error(comm_, &result);
  if (asked != ncclSuccess) result = asked;
  if (result != ncclSuccess && result != ncclInProgress) {
    Kill(NcclStatus(result, "during a call")).IgnoreError();
  } else if (absl::Now() >= pending_.front().deadline) {
    Kill(absl::DeadlineExceededError(absl::StrCat(
             "a collective did not end within ",
             absl::FormatDuration(call_timeout_),
             ": a rank did not come; see the logs of the other ranks")))
        .IgnoreError();
  }
}

void NcclGroup::Monitor() {
  device_->set_device(device_index_);
  absl::MutexLock lock(&mutex_);
  for (;;) {
    if (doomed_ != nullptr) {
      ncclComm_t comm = doomed_;
      mutex_.Unlock();  // it waits until NCCL's kernels have given up
      nccl_.abort(comm);
      mutex_.Lock();
      doomed_ = nullptr;
      changed_.SignalAll();
      continue;
    }
    if (ending_) return;
    if (pending_.empty()) {
      changed_.Wait(&mutex_);
    } else {
      changed_.WaitWithTimeout(&mutex_, kMonitorPoll);
      Look();
    }
  }
}

}  // namespace autotp::collective
