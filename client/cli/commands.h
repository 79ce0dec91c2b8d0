// commands.h -- the sub-commands of `autotp`, one file each.
//
// Each function adds its sub-command to `app`; once that is chosen and has
// run, `exit_code` holds how it went (exit_code.h).
#ifndef AUTOTP_CLIENT_CLI_COMMANDS_H_
#define AUTOTP_CLIENT_CLI_COMMANDS_H_

#include "CLI/CLI.hpp"

namespace autotp::cli {

void AddTrainCommand(CLI::App& app, int& exit_code);
void AddPlanCommand(CLI::App& app, int& exit_code);
void AddSubmitCommand(CLI::App& app, int& exit_code);
void AddListCommand(CLI::App& app, int& exit_code);
void AddDescribeCommand(CLI::App& app, int& exit_code);
void AddWatchCommand(CLI::App& app, int& exit_code);
void AddMetricsCommand(CLI::App& app, int& exit_code);
void AddLogsCommand(CLI::App& app, int& exit_code);
void AddCancelCommand(CLI::App& app, int& exit_code);
void AddCheckpointsCommand(CLI::App& app, int& exit_code);
void AddWorkersCommand(CLI::App& app, int& exit_code);
void AddExportCommand(CLI::App& app, int& exit_code);
void AddImportCommand(CLI::App& app, int& exit_code);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_COMMANDS_H_
