// sibling_program.h -- the programs that are installed beside `autotp`.
#ifndef AUTOTP_CLIENT_CLI_SIBLING_PROGRAM_H_
#define AUTOTP_CLIENT_CLI_SIBLING_PROGRAM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace autotp::cli {

// Its path. FAILED_PRECONDITION: it is not there.
absl::StatusOr<std::string> SiblingProgram(const std::string& name);

// Runs arguments[0] on this terminal and waits for its end: its exit code, or
// 128 plus the signal that ended it (130 after a Ctrl-C).
absl::StatusOr<int> RunProgram(std::vector<std::string> arguments);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_SIBLING_PROGRAM_H_
