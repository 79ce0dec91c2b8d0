// connection.h -- what the commands that talk to a cluster share.
#ifndef AUTOTP_CLIENT_CLI_CONNECTION_H_
#define AUTOTP_CLIENT_CLI_CONNECTION_H_

#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/cpp/job_client.h"

namespace autotp::cli {

struct Connection {
  std::string coordinator = "127.0.0.1:7070";
  std::string format = "text";  // text, json

  bool json() const { return format == "json"; }
  client::JobClient Open() const;
};

// --coordinator (or $AUTOTP_COORDINATOR) and --output.
void AddConnectionFlags(CLI::App& command, Connection& connection);

// Prints the error; the exit code that it means.
int Fail(const absl::Status& status);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_CONNECTION_H_
