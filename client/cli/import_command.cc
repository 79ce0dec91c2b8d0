// `autotp import`: any PyTorch model becomes a folder that `--model` takes. The
// work is done by the Python package, autotp-import, whose flags are taken as
// they are; this process becomes it.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/exit_code.h"

namespace autotp::cli {
namespace {

constexpr char kImporter[] = "autotp-import";

// Returns only if the program can't be started.
int BecomeImporter(std::vector<std::string> arguments) {
  std::vector<char*> argv = {const_cast<char*>(kImporter)};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execvp(kImporter, argv.data());
  std::cerr << "error: " << kImporter << ": " << std::strerror(errno)
            << "; it exports with PyTorch: pip install "
               "'./client/python[import]', with that environment active\n";
  return kExitFailed;
}

}  // namespace

void AddImportCommand(CLI::App& app, int& exit_code) {
  CLI::App* const command = app.add_subcommand(
      "import",
      "Turn any PyTorch model with a loss into a folder for --model "
      "(autotp-import of client/python; its flags)");
  command->set_help_flag();  // autotp-import has its own
  command->prefix_command();
  command->callback([command, &exit_code] {
    exit_code = BecomeImporter(command->remaining());
  });
}

}  // namespace autotp::cli
