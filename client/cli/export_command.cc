// `autotp export`: any committed checkpoint becomes a Hugging Face folder. The
// work is the worker's: this finds the checkpoint and starts autotp-trainer.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/sibling_program.h"
#include "client/cpp/job_client.h"
#include "proto/support/status_macros.h"

namespace autotp::cli {
namespace {

namespace fs = std::filesystem;

struct ExportFlags {
  std::string coordinator = kDefaultCoordinator;
  std::string checkpoint;
  std::string output;
  std::string dtype;
  std::string model;
  int64_t max_file_bytes = 0;
};

// The folder of "jobs/J/checkpoints/S", S a step or "latest".
absl::StatusOr<std::string> FolderOf(const std::string& name,
                                     const std::string& coordinator) {
  const size_t middle = name.find("/checkpoints/");
  const std::string job = name.substr(0, middle);
  absl::string_view wanted = name;
  wanted.remove_prefix(middle + 13);
  int64_t step = -1;
  if (wanted != "latest" && !absl::SimpleAtoi(wanted, &step)) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": \"", wanted, "\" is neither a step nor \"latest\""));
  }
  client::JobClient client(coordinator, {});
  AUTOTP_ASSIGN_OR_RETURN(const auto checkpoints, client.Checkpoints(job));
  const v1::Checkpoint* found = nullptr;
  for (const v1::Checkpoint& checkpoint : checkpoints) {
    if (checkpoint.state() != v1::Checkpoint::STATE_COMMITTED) continue;
    if (step >= 0 && checkpoint.step() != step) continue;
    if (found == nullptr || checkpoint.step() >= found->step())
      found = &checkpoint;
  }
  if (found != nullptr) return found->path();
  return absl::NotFoundError(absl::StrCat(
      name, ": the job has no such committed checkpoint; `autotp checkpoints ",
      job, "` lists them"));
}

absl::StatusOr<int> Export(const ExportFlags& flags) {
  std::string checkpoint = flags.checkpoint;
  std::error_code error;
  if (absl::StartsWith(checkpoint, "jobs/") &&
      absl::StrContains(checkpoint, "/checkpoints/") &&
      !fs::exists(checkpoint, error)) {
    AUTOTP_ASSIGN_OR_RETURN(checkpoint,
                            FolderOf(checkpoint, flags.coordinator));
  }
  AUTOTP_ASSIGN_OR_RETURN(const std::string trainer,
                          SiblingProgram("autotp-trainer"));
  return RunProgram({trainer, "--export", "--checkpoint", checkpoint,
                     "--output", flags.output, "--dtype", flags.dtype,
                     "--model", flags.model, "--max-file-bytes",
                     absl::StrCat(flags.max_file_bytes)});
}

}  // namespace

void AddExportCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "export", "Make a Hugging Face folder of a checkpoint");
  auto flags = std::make_shared<ExportFlags>();
  command
      ->add_option("CHECKPOINT", flags->checkpoint,
                   "a checkpoint's folder; an output folder (its newest "
                   "checkpoint); or jobs/J/checkpoints/STEP, STEP a number or "
                   "latest, by the coordinator")
      ->required();
  command->add_option("--output", flags->output, "the folder to make")
      ->required();
  command
      ->add_option("--dtype", flags->dtype,
                   "of the weights; default: as the job exports")
      ->check(CLI::IsMember({"original", "fp32", "bf16", "fp16"}));
  command
      ->add_option("--max-file-size", flags->max_file_bytes,
                   "weights above it go into several files with an index: "
                   "5GB, 500MB; default: as the job")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::PositiveNumber);
  command->add_option("--model", flags->model,
                      "where the tokenizer's files lie now, if they were "
                      "moved since");
  AddCoordinatorFlag(*command, flags->coordinator);
  command->callback([flags, &exit_code] {
    const absl::StatusOr<int> result = Export(*flags);
    exit_code = result.ok() ? *result : Fail(result.status());
  });
}

}  // namespace autotp::cli
