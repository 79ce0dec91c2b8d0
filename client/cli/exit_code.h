// exit_code.h -- how the `autotp` command ends.
#ifndef AUTOTP_CLIENT_CLI_EXIT_CODE_H_
#define AUTOTP_CLIENT_CLI_EXIT_CODE_H_

namespace autotp::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitInvalidInput = 2;
inline constexpr int kExitInterrupted = 130;

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_EXIT_CODE_H_
