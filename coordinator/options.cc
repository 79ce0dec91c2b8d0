#include "coordinator/options.h"

#include <CLI/CLI.hpp>

namespace autotp::coordinator {

std::variant<Options, ExitStatus> ParseOptions(int argc,
                                               const char* const* argv) {
  Options options;
  CLI::App app{
      "Decides about jobs: plans them, places them on workers, keeps their "
      "state. Holds no tensor."};
  app.set_version_flag("--version", AUTOTP_VERSION);
  app.add_option("--state-dir", options.state_dir,
                 "folder of the coordinator's records; made if needed, never "
                 "on a network file system")
      ->required();
  app.add_option("--listen", options.listen,
                 "address to serve on, again for more: unix:/path or "
                 "host:port (port 0: any). There is no authentication: keep "
                 "it to networks that you trust")
      ->capture_default_str()
      ->default_str("127.0.0.1:7070");
  app.add_option("--port-file", options.port_file,
                 "file to write the bound addresses to, one a line, once "
                 "they are served");
  app.add_option("--log-level", options.log_level, "debug, info, warn, error")
      ->capture_default_str()
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitStatus{app.exit(error) == 0 ? 0 : 2};
  }
  if (options.listen.empty()) options.listen = {"127.0.0.1:7070"};
  return options;
}

}  // namespace autotp::coordinator
