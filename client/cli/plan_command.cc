// `autotp plan`: the dry run. No GPU, no job, no weights.
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/diagnostic_text.h"
#include "client/cli/effective_view.h"
#include "client/cli/exit_code.h"
#include "client/cli/job_request.h"
#include "client/cli/local_cluster.h"
#include "client/cli/message_json.h"
#include "client/cli/plan_diff.h"
#include "client/cli/plan_explain.h"
#include "client/cli/plan_view.h"
#include "client/cli/text_style.h"
#include "client/cli/tune_text.h"
#include "proto/support/status_macros.h"

namespace autotp::cli {
namespace {

struct PlanFlags {
  JobRequest request;
  Connection connection;
  std::string explain;  // a parameter's name; empty: the whole plan
  std::string diff;     // a plan that was saved as JSON; empty: none
  TuneFlags tune;
  bool effective = false;  // show the configuration, not the plan
};

absl::StatusOr<nlohmann::ordered_json> ReadPlan(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": cannot be read; save a plan with `autotp plan ... --output "
        "json > FILE`"));
  }
  auto plan = nlohmann::ordered_json::parse(file, nullptr,
                                            /*allow_exceptions=*/false);
  if (plan.is_discarded())
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not JSON"));
  return plan;
}

// What the user asked to see of a valid plan.
absl::Status Show(const PlanFlags& flags,
                  const v1::ValidateJobResponse& answer) {
  const TextStyle style = TerminalStyle();
  const bool json = flags.connection.json();
  if (!flags.explain.empty()) {
    AUTOTP_ASSIGN_OR_RETURN(const Explanation explanation,
                            Explain(answer.plan(), flags.explain));
    if (json)
      PrintJson(ExplanationJson(explanation));
    else
      std::printf("%s", ExplanationText(explanation, style).c_str());
  } else if (!flags.diff.empty()) {
    AUTOTP_ASSIGN_OR_RETURN(const nlohmann::ordered_json other,
                            ReadPlan(flags.diff));
    absl::StatusOr<std::vector<Difference>> differences =
        Differences(other, PlanJson(answer));
    if (!differences.ok()) return Annotate(differences.status(), flags.diff);
    if (json)
      PrintJson(DifferencesJson(*differences));
    else
      std::printf("%s", DifferencesText(*differences, style).c_str());
  } else if (answer.has_tuned()) {
    if (json)
      PrintJson(TuneJson(answer.tuned()));
    else
      std::printf("%s", TuneText(answer.tuned(), style).c_str());
  } else if (json) {
    PrintJson(PlanJson(answer));
  } else {
    std::printf("%s", PlanText(answer, style).c_str());
  }
  return absl::OkStatus();
}

// The configuration alone, which may be right where the plan is not.
void ShowEffective(const PlanFlags& flags, const v1::JobSpec& spec,
                   const v1::ValidateJobResponse& answer) {
  if (flags.connection.json()) {
    PrintJson(EffectiveJson(answer));
  } else if (answer.effective_values_size() > 0) {
    std::printf("%s", EffectiveText(answer, spec.config_name()).c_str());
  }
}

absl::StatusOr<int> Plan(PlanFlags& flags) {
  AUTOTP_ASSIGN_OR_RETURN(v1::JobSpec spec, ToJobSpec(flags.request));
  // Headers of weights are read where there are any.
  spec.mutable_model()->clear_initialization();
  std::optional<v1::TuneRequest> tune;
  if (flags.tune.autotune) {
    AUTOTP_ASSIGN_OR_RETURN(tune, ToTuneRequest(flags.tune));
  }
  // Without a cluster to ask, a private coordinator answers.
  std::unique_ptr<LocalCluster> local;
  if (flags.connection.coordinator.empty()) {
    AUTOTP_ASSIGN_OR_RETURN(local, LocalCluster::Start({}));
    flags.connection.coordinator = local->address();
  }
  client::JobClient client = flags.connection.Open();
  AUTOTP_ASSIGN_OR_RETURN(const v1::ValidateJobResponse answer,
                          client.Validate(spec, tune));
  if (!flags.connection.json()) PrintDiagnostics(answer.diagnostics(), spec);
  if (flags.effective) {
    ShowEffective(flags, spec, answer);
  } else if (answer.valid()) {
    AUTOTP_RETURN_IF_ERROR(Show(flags, answer));
  } else if (flags.connection.json()) {
    PrintJson(PlanJson(answer));
  }
  return answer.valid() ? kExitDone : kExitInvalidInput;
}

}  // namespace

void AddPlanCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "plan", "Show how a model would be cut, and what it would cost");
  auto flags = std::make_shared<PlanFlags>();
  flags->connection.coordinator.clear();
  command
      ->add_option("--model", flags->request.model, "Hugging Face model folder")
      ->required();
  command->add_option("--config", flags->request.config, kConfigHelp)
      ->required();
  command->add_option("--world-size", flags->request.slots, "number of ranks")
      ->required()
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--sequence-length", flags->request.sequence_length,
                   "tokens in a sequence; default: the model's longest, at "
                   "most 2048")
      ->check(CLI::PositiveNumber);
  command->add_flag("--sequence-parallel", flags->request.sequence_parallel,
                    kSequenceParallelHelp);
  command->add_option("--explain", flags->explain,
                      "all about one parameter: its cut, rule, class and "
                      "collectives");
  command
      ->add_option("--diff", flags->diff,
                   "how this plan differs from one that --output json saved")
      ->excludes("--explain");
  AddRecomputeFlag(*command, flags->request);
  AddTuneFlags(*command, flags->tune);
  command
      ->add_option("--max-steps", flags->request.max_steps,
                   "optimizer steps, for a schedule that asks for them")
      ->check(CLI::PositiveNumber);
  AddNoDecayFlag(*command, flags->request);
  command->add_flag("--effective", flags->effective,
                    "show the configuration with every default filled in and "
                    "where each value comes from, instead of the plan");
  AddConnectionFlags(*command, flags->connection);
  command->callback([flags, &exit_code] {
    const absl::StatusOr<int> result = Plan(*flags);
    exit_code = result.ok() ? *result : Fail(result.status());
  });
}

}  // namespace autotp::cli
