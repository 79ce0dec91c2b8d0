// failure_reason.h -- why an attempt failed, carried by an absl::Status.
//
// Flow: worker/trainer's loop marks a status with the reason it knows ->
// process.cc puts it into the trainer's last report.
//
// A status without a mark gets the reason that its code suggests.
// Threading: pure.
#ifndef AUTOTP_WORKER_TRAINER_FAILURE_REASON_H_
#define AUTOTP_WORKER_TRAINER_FAILURE_REASON_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "autotp/v1/job.pb.h"

namespace autotp::trainer {

inline constexpr char kFailureReasonUrl[] = "autotp.v1.FailureReason";

// `status` with `reason`; OK stays OK, and a reason that is there stays.
inline absl::Status WithReason(absl::Status status, v1::FailureReason reason) {
  if (!status.ok() && !status.GetPayload(kFailureReasonUrl).has_value()) {
    status.SetPayload(kFailureReasonUrl,
                      absl::Cord(absl::StrCat(static_cast<int>(reason))));
  }
  return status;
}

inline v1::FailureReason ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kFailureReasonUrl);
  int reason = 0;
  if (payload.has_value() && absl::SimpleAtoi(std::string(*payload), &reason) &&
      v1::FailureReason_IsValid(reason)) {
    return static_cast<v1::FailureReason>(reason);
  }
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
      return v1::FAILURE_REASON_COLLECTIVE;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kDataLoss:
      return v1::FAILURE_REASON_STORAGE;
    default:
      return v1::FAILURE_REASON_INTERNAL;
  }
}

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_FAILURE_REASON_H_
