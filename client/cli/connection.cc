#include "client/cli/connection.h"

#include <cstdio>

#include "client/cli/exit_code.h"

namespace autotp::cli {

client::JobClient Connection::Open() const {
  return client::JobClient(coordinator, {.retry_for = absl::Seconds(5)});
}

void AddCoordinatorFlag(CLI::App& command, std::string& coordinator) {
  command.add_option("--coordinator", coordinator, "HOST:PORT or unix:PATH")
      ->envname("AUTOTP_COORDINATOR")
      ->capture_default_str();
}

void AddConnectionFlags(CLI::App& command, Connection& connection) {
  AddCoordinatorFlag(command, connection.coordinator);
  command.add_option("--output", connection.format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "autotp: %s\n", std::string(status.message()).c_str());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
      return kExitInvalidInput;
    default:
      return kExitFailed;
  }
}

}  // namespace autotp::cli
