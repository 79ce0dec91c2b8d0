// connection.h -- what the commands that talk to a cluster share.
#ifndef AUTOTP_CLIENT_CLI_CONNECTION_H_
#define AUTOTP_CLIENT_CLI_CONNECTION_H_

#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/cpp/job_client.h"

namespace autotp::cli {

inline constexpr char kDefaultCoordinator[] = "127.0.0.1:7070";

struct Connection {
  std::string coordinator = kDefaultCoordinator;
  std::string format = "text";  // text, json

  bool json() const { return format == "json"; }
  client::JobClient Open() const;
};

// --coordinator (or $AUTOTP_COORDINATOR).
void AddCoordinatorFlag(CLI::App& command, std::string& coordinator);

// The same and --output.
void AddConnectionFlags(CLI::App& command, Connection& connection);

// Prints the error; the exit code that it means.
int Fail(const absl::Status& status);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_CONNECTION_H_
