// `autotp plan`: the dry run. No GPU, no job, no weights.
#include <cstdio>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/diagnostic_text.h"
#include "client/cli/exit_code.h"
#include "client/cli/job_request.h"
#include "client/cli/local_cluster.h"
#include "client/cli/message_json.h"
#include "client/cli/plan_view.h"
#include "proto/support/status_macros.h"

namespace autotp::cli {
namespace {

struct PlanFlags {
  JobRequest request;
  Connection connection;
};

absl::StatusOr<int> Plan(PlanFlags& flags) {
  AUTOTP_ASSIGN_OR_RETURN(const v1::JobSpec spec, ToJobSpec(flags.request));
  // Without a cluster to ask, a private coordinator answers.
  std::unique_ptr<LocalCluster> local;
  if (flags.connection.coordinator.empty()) {
    AUTOTP_ASSIGN_OR_RETURN(local, LocalCluster::Start({}));
    flags.connection.coordinator = local->address();
  }
  client::JobClient client = flags.connection.Open();
  AUTOTP_ASSIGN_OR_RETURN(const v1::ValidateJobResponse answer,
                          client.Validate(spec));
  if (flags.connection.json()) {
    PrintJson(PlanJson(answer));
  } else {
    for (const v1::Diagnostic& diagnostic : answer.diagnostics()) {
      std::fprintf(stderr, "%s",
                   DiagnosticText(diagnostic, spec.config_json()).c_str());
    }
    if (answer.valid()) std::printf("%s", PlanText(answer).c_str());
  }
  return answer.valid() ? kExitDone : kExitInvalidInput;
}

}  // namespace

void AddPlanCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "plan", "Show how a model would be cut, and what it would cost");
  auto flags = std::make_shared<PlanFlags>();
  flags->connection.coordinator.clear();
  flags->request.init = "random";  // the weights need not be there
  command
      ->add_option("--model", flags->request.model, "Hugging Face model folder")
      ->required();
  command->add_option("--config", flags->request.config, "DeepSpeed JSON file")
      ->required();
  command->add_option("--world-size", flags->request.slots, "number of ranks")
      ->required()
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--sequence-length", flags->request.sequence_length,
                   "tokens in a sequence; default: the model's longest, at "
                   "most 2048")
      ->check(CLI::PositiveNumber);
  AddConnectionFlags(*command, flags->connection);
  command->callback([flags, &exit_code] {
    const absl::StatusOr<int> result = Plan(*flags);
    exit_code = result.ok() ? *result : Fail(result.status());
  });
}

}  // namespace autotp::cli
