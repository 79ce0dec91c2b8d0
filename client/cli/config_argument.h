// config_argument.h -- the DeepSpeed JSON that `--config` names: a path, the
// JSON text itself, or the text in base64 (either alphabet), as DeepSpeed's
// own launcher takes it.
#ifndef AUTOTP_CLIENT_CLI_CONFIG_ARGUMENT_H_
#define AUTOTP_CLIENT_CLI_CONFIG_ARGUMENT_H_

#include <string>

#include "absl/status/statusor.h"

namespace autotp::cli {

struct ConfigArgument {
  std::string text;
  std::string name;  // the path, else "--config": what diagnostics name
};

// INVALID_ARGUMENT if it is none of the three, or a file that cannot be read.
absl::StatusOr<ConfigArgument> ReadConfigArgument(const std::string& argument);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_CONFIG_ARGUMENT_H_
