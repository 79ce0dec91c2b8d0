// autotp -- trains Hugging Face models with tensor parallelism: the command.
#include "CLI/CLI.hpp"
#include "client/cli/commands.h"
#include "client/cli/exit_code.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Trains Hugging Face language models with automatic tensor parallelism, "
      "data parallelism and ZeRO, from an ordinary DeepSpeed JSON.",
      "autotp");
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 failed, 2 invalid input, 130 interrupted.");
  int exit_code = autotp::cli::kExitDone;
  for (const auto add :
       {autotp::cli::AddTrainCommand, autotp::cli::AddPlanCommand,
        autotp::cli::AddSubmitCommand, autotp::cli::AddListCommand,
        autotp::cli::AddDescribeCommand, autotp::cli::AddWatchCommand,
        autotp::cli::AddMetricsCommand, autotp::cli::AddLogsCommand,
        autotp::cli::AddCancelCommand, autotp::cli::AddCheckpointsCommand,
        autotp::cli::AddExportCommand, autotp::cli::AddImportCommand,
        autotp::cli::AddWorkersCommand}) {
    add(app, exit_code);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // the library's way to say it
    return app.exit(error) == 0 ? autotp::cli::kExitDone
                                : autotp::cli::kExitInvalidInput;
  }
  return exit_code;
}
