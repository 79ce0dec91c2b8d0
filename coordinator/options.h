// options.h -- what the autotp-coordinator program is told.
#ifndef AUTOTP_COORDINATOR_OPTIONS_H_
#define AUTOTP_COORDINATOR_OPTIONS_H_

#include <string>
#include <variant>
#include <vector>

namespace autotp::coordinator {

struct Options {
  std::string state_dir;
  std::vector<std::string> listen;  // "unix:/path" or "host:port"
  std::string port_file;            // empty: none
  std::string log_level = "info";
};

// The program ends here, with this status: --help, or flags that are wrong.
struct ExitStatus {
  int status = 0;
};

// Prints help or what is wrong with the flags. Exit status 2: invalid input.
std::variant<Options, ExitStatus> ParseOptions(int argc,
                                               const char* const* argv);

}  // namespace autotp::coordinator

#endif  // AUTOTP_COORDINATOR_OPTIONS_H_
