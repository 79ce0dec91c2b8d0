#include "client/cli/job_text.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/message_json.h"
#include "client/cli/table.h"
#include "google/protobuf/util/time_util.h"

namespace autotp::cli {
namespace {

std::string StateWord(const v1::Job& job) {
  return absl::AsciiStrToUpper(
      EnumWord(v1::JobState_descriptor(), job.status().state()));
}

std::string DataText(const v1::DataSource& data) {
  std::string text = data.path();
  for (const v1::DataFile& file : data.files()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", file.path());
    if (file.weight() != 0) absl::StrAppend(&text, "=", file.weight());
  }
  if (data.pack_documents()) absl::StrAppend(&text, ", documents packed");
  return text;
}

std::string StepText(const v1::Progress& progress) {
  return absl::StrCat(progress.step(), "/", progress.total_steps());
}

}  // namespace

std::string JobLine(const v1::Job& job) {
  const v1::JobStatus& status = job.status();
  std::string line = absl::StrCat(job.name(), " ", StateWord(job));
  if (status.attempt() > 0)
    absl::StrAppend(&line, " attempt ", status.attempt());
  if (status.progress().step() > 0) {
    absl::StrAppend(&line, ", step ", StepText(status.progress()),
                    absl::StrFormat(", loss %.4f", status.progress().loss()));
  }
  if (!status.state_message().empty())
    absl::StrAppend(&line, ": ", status.state_message());
  return line;
}

std::string StepLine(const v1::StepMetrics& step) {
  std::string line =
      absl::StrCat("step ", step.step(), "  loss ", step.loss(), "  grad norm ",
                   step.grad_norm(), "  learning rate ", step.learning_rate());
  if (step.loss_scale() > 0)
    absl::StrAppend(&line, "  loss scale ", step.loss_scale());
  if (step.skipped()) absl::StrAppend(&line, "  skipped");
  if (step.has_evaluation()) {
    absl::StrAppend(&line, "  evaluation loss ", step.evaluation().loss(),
                    "  perplexity ", std::exp(step.evaluation().loss()));
  }
  return line;
}

std::string FailureText(const v1::Failure& failure) {
  std::string text =
      absl::StrCat("rank ", failure.rank(), " on worker ", failure.worker());
  if (failure.signal() != 0) {
    absl::StrAppend(&text, " was ended by signal ", failure.signal());
  } else if (failure.exit_code() != 0) {
    absl::StrAppend(&text, " exited with status ", failure.exit_code());
  }
  absl::StrAppend(&text, ": ", failure.message(), "\n");
  if (failure.log_lines_size() > 0) {
    absl::StrAppend(&text, "last lines of its log:\n");
    for (const std::string& line : failure.log_lines())
      absl::StrAppend(&text, "  ", line, "\n");
  }
  return text;
}

std::string JobsTable(const std::vector<v1::Job>& jobs) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::Job& job : jobs) {
    rows.push_back({job.name(), StateWord(job),
                    absl::StrCat(job.status().attempt()),
                    StepText(job.status().progress()),
                    absl::StrFormat("%.4f", job.status().progress().loss()),
                    job.status().state_message()});
  }
  return RenderTable({"JOB", "STATE", "ATTEMPT", "STEP", "LOSS", "MESSAGE"},
                     rows);
}

std::string JobDescription(const v1::Job& job,
                           const std::vector<v1::JobEvent>& events) {
  const v1::JobStatus& status = job.status();
  std::string text = absl::StrCat(JobLine(job), "\n");
  absl::StrAppend(&text, "model:   ", job.spec().model().path(),
                  "\ndata:    ", DataText(job.spec().data()),
                  "\noutput:  ", job.spec().run().output_path(),
                  "\nworld:   ", job.spec().world_size(), " = TP ",
                  status.plan().tensor_parallel_size(), " x DP ",
                  status.plan().data_parallel_size(), "\n");
  for (int rank = 0; rank < status.ranks_size(); ++rank) {
    absl::StrAppend(&text, "rank ", rank, ":  ", status.ranks(rank).worker(),
                    " slot ", status.ranks(rank).slot(), "\n");
  }
  if (!status.latest_checkpoint().empty())
    absl::StrAppend(&text, "checkpoint: ", status.latest_checkpoint(), "\n");
  if (!status.model_path().empty())
    absl::StrAppend(&text, "trained model: ", status.model_path(), "\n");
  if (status.has_last_failure()) {
    absl::StrAppend(&text,
                    "last failure: ", FailureText(status.last_failure()));
  }
  absl::StrAppend(&text, "events:\n");
  for (const v1::JobEvent& event : events) {
    absl::StrAppend(&text, "  ",
                    google::protobuf::util::TimeUtil::ToString(event.time()),
                    "  ", event.message(), "\n");
  }
  return text;
}

}  // namespace autotp::cli
