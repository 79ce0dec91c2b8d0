// finding.h -- errors about a user's files that know their place.
//
// Inside this module they travel as absl::Status, with the v1.Diagnostic as a
// payload; planner/ takes it out again.
#ifndef AUTOTP_COORDINATOR_MODEL_FINDING_H_
#define AUTOTP_COORDINATOR_MODEL_FINDING_H_

#include <string>

#include "absl/status/status.h"
#include "autotp/v1/common.pb.h"

namespace autotp::model {

struct Finding {
  std::string reason;   // MODEL_FOLDER_MISSING
  std::string file;     // path
  std::string message;  // what was found, what is allowed
  std::string suggestion = "";
  std::string json_pointer = "";
  int line = 0;  // 1-based; 0: not in a text
  int column = 0;
};

// The message of the status is "file:line:column: message; suggestion".
absl::Status ToStatus(
    const Finding& finding,
    absl::StatusCode code = absl::StatusCode::kInvalidArgument);

v1::Diagnostic ToWarning(const Finding& finding);

// The diagnostic of a status from this module: severity error. Of any other
// error: its message, with the reason MODEL_INVALID.
// REQUIRES: !status.ok().
v1::Diagnostic ToDiagnostic(const absl::Status& status);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_FINDING_H_
