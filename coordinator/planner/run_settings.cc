#include "coordinator/planner/run_settings.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "coordinator/planner/data_check.h"

namespace autotp::planner {
namespace {

namespace fs = std::filesystem;

void CheckAtLeast(int64_t value, int64_t minimum, absl::string_view name,
                  absl::string_view reason, config::Diagnostics* diagnostics) {
  if (value >= minimum) return;
  diagnostics->Error(
      {}, reason,
      absl::StrCat(name, " is ", value, "; at least ", minimum, " is needed"),
      absl::StrCat("set ", name, " to ", minimum, " or more"));
}

void CheckOutput(const std::string& path, config::Diagnostics* diagnostics) {
  const config::SourcePlace place{path};
  if (path.empty() || !fs::path(path).is_absolute()) {
    diagnostics->Error(
        place, path.empty() ? "OUTPUT_MISSING" : "OUTPUT_PATH_RELATIVE",
        path.empty() ? "no output folder is given"
                     : absl::StrCat("the output folder ", path,
                                    " is relative: workers run elsewhere"),
        "give the absolute path of a folder");
    return;
  }
  const std::string problem = WhyNotWritable(path);
  if (problem.empty()) return;
  diagnostics->Error(
      place, "OUTPUT_NOT_WRITABLE",
      absl::StrCat("the output folder ", path, " can't be written: ", problem),
      "give a folder that can be made, or written to");
}

void CheckEvaluation(const v1::RunSettings& run,
                     config::Diagnostics* diagnostics) {
  if (!run.has_evaluation()) return;
  const v1::EvaluationSettings& evaluation = run.evaluation();
  CheckAtLeast(evaluation.every_steps(), 0, "evaluation every_steps",
               "EVALUATION_INVALID", diagnostics);
  CheckAtLeast(evaluation.max_sequences(), 0, "evaluation max_sequences",
               "EVALUATION_INVALID", diagnostics);
  if (evaluation.data().path().empty() && evaluation.data().files().empty()) {
    diagnostics->Error({}, "EVALUATION_DATA_MISSING",
                       "an evaluation is asked for without held-out data",
                       "give a token file to evaluate on (`--eval-data`)");
    return;
  }
  CheckData(evaluation.data(), run.sequence_length(), /*train_batch_size=*/1,
            diagnostics);
}

void CheckTargetLoss(double target, config::Diagnostics* diagnostics) {
  if (std::isfinite(target) && target >= 0) return;
  diagnostics->Error({}, "TARGET_LOSS_INVALID",
                     absl::StrCat("target_loss is ", target,
                                  "; a loss above 0 is needed, or 0 for none"),
                     "set target_loss to the loss at which to stop");
}

}  // namespace

std::string WhyNotWritable(const std::string& path) {
  std::error_code error;
  fs::path at = fs::path(path).lexically_normal();
  while (!fs::exists(at, error)) {
    if (error) return absl::StrCat(at.string(), ": ", error.message());
    const fs::path parent = at.parent_path();
    if (parent == at) break;
    at = parent;
  }
  if (!fs::is_directory(at, error)) {
    return absl::StrCat(at.string(), " is not a folder");
  }
  if (access(at.c_str(), W_OK | X_OK) != 0) {
    return absl::StrCat("no permission to write in ", at.string());
  }
  return "";
}

void CheckRunSettings(const v1::JobSpec& spec, int64_t train_batch_size,
                      config::Diagnostics* diagnostics) {
  const v1::RunSettings& run = spec.run();
  CheckAtLeast(run.max_steps(), 1, "max_steps", "MAX_STEPS_INVALID",
               diagnostics);
  // One token has no next one to learn.
  CheckAtLeast(run.sequence_length(), 2, "sequence_length",
               "SEQUENCE_LENGTH_INVALID", diagnostics);
  CheckAtLeast(spec.checkpoint().every_steps(), 0, "checkpoint every_steps",
               "CHECKPOINT_POLICY_INVALID", diagnostics);
  CheckAtLeast(spec.checkpoint().keep_latest(), 0, "checkpoint keep_latest",
               "CHECKPOINT_POLICY_INVALID", diagnostics);
  CheckAtLeast(spec.max_restarts(), 0, "max_restarts", "MAX_RESTARTS_INVALID",
               diagnostics);
  if (run.export_dtype() == v1::DATA_TYPE_INT64) {
    diagnostics->Error({}, "EXPORT_DTYPE_INVALID",
                       "export_dtype is int64, which weights have not",
                       "give fp32, bf16 or fp16");
  }
  if (!v1::Recomputation_IsValid(run.recomputation())) {
    diagnostics->Error({}, "RECOMPUTATION_INVALID",
                       absl::StrCat("recomputation ", run.recomputation(),
                                    " is unknown to this coordinator"),
                       "give none, selective or block");
  }
  CheckOutput(run.output_path(), diagnostics);
  CheckData(spec.data(), run.sequence_length(), train_batch_size, diagnostics);
  CheckEvaluation(run, diagnostics);
  CheckTargetLoss(run.target_loss(), diagnostics);
}

v1::Recomputation RecomputationOf(const v1::RunSettings& run) {
  return run.recomputation() == v1::RECOMPUTATION_UNSPECIFIED
             ? v1::RECOMPUTATION_NONE
             : run.recomputation();
}

void CheckSequenceLimit(int64_t sequence_length, int64_t limit,
                        const std::string& config_file,
                        config::Diagnostics* diagnostics) {
  if (limit == 0 || sequence_length <= limit) return;
  diagnostics->Warning(
      {config_file, "/max_position_embeddings"}, "SEQUENCE_LONGER_THAN_MODEL",
      absl::StrCat("sequence_length ", sequence_length,
                   " is above the model's max_position_embeddings ", limit),
      absl::StrCat("set sequence_length to ", limit, " or less"));
}

}  // namespace autotp::planner
