#include "worker/runtime/check_program.h"

#include "coordinator/program/program.h"
#include "proto/support/status_macros.h"

namespace autotp::runtime {

absl::Status CheckLocalProgram(const v1::Program& program) {
  AUTOTP_ASSIGN_OR_RETURN(const program::Program read,
                          program::FromProto(program));
  if (read.loss == program::kNoValue)
    return absl::InvalidArgumentError("the program has no loss");
  const program::ValueKind kind = read.values[read.loss].kind;
  if (kind != program::ValueKind::kFloat &&
      kind != program::ValueKind::kFloat32)
    return absl::InvalidArgumentError("the program's loss is no number");
  return absl::OkStatus();
}

}  // namespace autotp::runtime
