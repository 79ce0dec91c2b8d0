// `autotp submit`: creates a job on a cluster and returns.
#include <cstdio>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/diagnostic_text.h"
#include "client/cli/exit_code.h"
#include "client/cli/job_request.h"
#include "client/cli/message_json.h"
#include "proto/support/status_macros.h"

namespace autotp::cli {
namespace {

struct SubmitFlags {
  JobRequest request;
  Connection connection;
  std::string file;
  std::string job_id;
};

absl::StatusOr<int> Submit(SubmitFlags& flags) {
  if (!flags.file.empty()) {
    if (!flags.request.model.empty()) {
      return absl::InvalidArgumentError(
          "give a job by --file or by flags, not by both");
    }
    AUTOTP_RETURN_IF_ERROR(ReadJobFile(flags.file, flags.request));
  }
  AUTOTP_ASSIGN_OR_RETURN(const v1::JobSpec spec, ToJobSpec(flags.request));
  client::JobClient client = flags.connection.Open();
  AUTOTP_ASSIGN_OR_RETURN(const v1::ValidateJobResponse answer,
                          client.Validate(spec));
  PrintDiagnostics(answer.diagnostics(), spec);
  if (!answer.valid()) return kExitInvalidInput;
  AUTOTP_ASSIGN_OR_RETURN(const v1::Job job, client.Create(spec, flags.job_id));
  if (flags.connection.json()) {
    PrintJson(ToJson(job));
  } else {
    std::printf("%s\n", job.name().c_str());
  }
  return kExitDone;
}

}  // namespace

void AddSubmitCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("submit", "Create a job on a cluster");
  auto flags = std::make_shared<SubmitFlags>();
  command->add_option(
      "--file", flags->file,
      "JSON file with the job; its keys are the flags below with underscores");
  AddJobFlags(*command, flags->request, "--output-dir", /*required=*/false);
  command->add_option("--job-id", flags->job_id, "name; default: chosen");
  AddConnectionFlags(*command, flags->connection);
  command->callback([flags, &exit_code] {
    const absl::StatusOr<int> result = Submit(*flags);
    exit_code = result.ok() ? *result : Fail(result.status());
  });
}

}  // namespace autotp::cli
