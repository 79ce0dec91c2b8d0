#include "coordinator/core/job_state.h"

#include <string>

#include "absl/strings/strip.h"

namespace autotp::core {

bool IsTerminal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

bool IsActive(v1::JobState state) {
  return state == v1::JOB_STATE_STARTING || state == v1::JOB_STATE_RUNNING ||
         state == v1::JOB_STATE_CANCELLING;
}

bool IsWaiting(v1::JobState state) {
  return state == v1::JOB_STATE_QUEUED || state == v1::JOB_STATE_RECOVERING;
}

bool MayMove(v1::JobState from, v1::JobState to) {
  switch (from) {
    case v1::JOB_STATE_UNSPECIFIED:
      return to == v1::JOB_STATE_QUEUED;
    case v1::JOB_STATE_QUEUED:
      return to == v1::JOB_STATE_STARTING || to == v1::JOB_STATE_CANCELLED;
    case v1::JOB_STATE_RECOVERING:
      return to == v1::JOB_STATE_STARTING || to == v1::JOB_STATE_CANCELLED;
    case v1::JOB_STATE_STARTING:
      // A last attempt that resumes behind the last step only exports: its
      // ranks may finish before all of them were seen ready.
      return to == v1::JOB_STATE_RUNNING || to == v1::JOB_STATE_SUCCEEDED ||
             to == v1::JOB_STATE_RECOVERING || to == v1::JOB_STATE_FAILED ||
             to == v1::JOB_STATE_CANCELLING;
    case v1::JOB_STATE_RUNNING:
      return to == v1::JOB_STATE_SUCCEEDED || to == v1::JOB_STATE_RECOVERING ||
             to == v1::JOB_STATE_FAILED || to == v1::JOB_STATE_CANCELLING;
    case v1::JOB_STATE_CANCELLING:
      return to == v1::JOB_STATE_CANCELLED || to == v1::JOB_STATE_SUCCEEDED;
    default:
      return false;
  }
}

std::string StateName(v1::JobState state) {
  return std::string(absl::StripPrefix(v1::JobState_Name(state), "JOB_STATE_"));
}

}  // namespace autotp::core
