// `autotp train`: all in one on this host. Starts a private coordinator and
// worker, submits the job, follows it to its end.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/diagnostic_text.h"
#include "client/cli/exit_code.h"
#include "client/cli/interrupts.h"
#include "client/cli/job_request.h"
#include "client/cli/job_text.h"
#include "client/cli/local_cluster.h"
#include "client/cli/message_json.h"
#include "client/cli/metrics_file.h"
#include "client/cli/progress_line.h"
#include "client/cpp/job_client.h"
#include "proto/support/status_macros.h"

namespace autotp::cli {
namespace {

namespace fs = std::filesystem;

struct TrainFlags {
  JobRequest request;
  std::string metrics;
  std::string format = "text";
};

// The output folder with logs/ and state/ in it. What this run has made goes
// again unless Keep() is called: an invalid job leaves nothing behind.
class OutputFolder {
 public:
  static absl::StatusOr<std::unique_ptr<OutputFolder>> Make(
      const std::string& path) {
    auto folder = std::unique_ptr<OutputFolder>(new OutputFolder(path));
    std::error_code error;
    folder->existed_ = fs::exists(path, error);
    for (const char* part : {"logs", "state"}) {
      fs::create_directories(fs::path(path) / part, error);
      if (error) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ": cannot make the output folder: ", error.message(),
            "; give --output a folder that you "
            "may write to"));
      }
    }
    return folder;
  }
  ~OutputFolder() {
    std::error_code ignored;  // best effort: the message has been shown
    if (!existed_ && !keep_) fs::remove_all(path_, ignored);
  }
  void Keep() { keep_ = true; }

 private:
  explicit OutputFolder(std::string path) : path_(std::move(path)) {}
  const std::string path_;
  bool existed_ = false;
  bool keep_ = false;
};

// Streams the steps into the metrics file and onto the screen, until the job
// has ended.
absl::Status FollowSteps(client::JobClient& client, const std::string& job,
                         const TrainFlags& flags) {
  std::optional<MetricsFile> file;
  if (!flags.metrics.empty()) {
    AUTOTP_ASSIGN_OR_RETURN(
        file, MetricsFile::Open(flags.metrics, flags.request.resume));
  }
  ProgressLine progress(flags.request.max_steps);
  absl::Status written;
  const absl::Status streamed = client.Metrics(
      job, /*after_step=*/0, /*follow=*/true,
      [&](const v1::StepMetrics& step) {
        if (file.has_value()) written = file->Add(step);
        progress.Show(step, absl::Now());
        return written.ok();
      },
      [](int64_t dropped) {
        std::fprintf(stderr, "%lld steps were dropped before they were read\n",
                     static_cast<long long>(dropped));
      });
  AUTOTP_RETURN_IF_ERROR(written);
  return streamed;
}

int ShowEnd(const v1::Job& job, const TrainFlags& flags, bool interrupted) {
  const v1::JobStatus& status = job.status();
  if (flags.format == "json") PrintJson(ToJson(job));
  if (status.state() == v1::JOB_STATE_SUCCEEDED) {
    if (flags.format == "text") {
      if (status.progress().step() < status.progress().total_steps())
        std::printf("ended early: %s\n", status.state_message().c_str());
      std::printf("trained model: %s\n", status.model_path().c_str());
    }
    return kExitDone;
  }
  if (interrupted && status.state() == v1::JOB_STATE_CANCELLED) {
    std::fprintf(stderr, "stopped at step %lld; `--resume` goes on from %s\n",
                 static_cast<long long>(status.progress().step()),
                 status.latest_checkpoint().empty()
                     ? "the beginning"
                     : status.latest_checkpoint().c_str());
    return kExitInterrupted;
  }
  std::fprintf(stderr, "autotp: %s\n", JobLine(job).c_str());
  if (status.has_last_failure())
    std::fprintf(stderr, "%s", FailureText(status.last_failure()).c_str());
  return kExitFailed;
}

absl::StatusOr<int> Train(const TrainFlags& flags) {
  AUTOTP_ASSIGN_OR_RETURN(const v1::JobSpec spec, ToJobSpec(flags.request));
  const std::string& output = spec.run().output_path();
  AUTOTP_ASSIGN_OR_RETURN(const auto folder, OutputFolder::Make(output));
  AUTOTP_ASSIGN_OR_RETURN(
      const auto cluster,
      LocalCluster::Start({.state_folder = output + "/state",
                           .log_folder = output + "/logs",
                           .slots = flags.request.slots}));
  BlockInterrupts();
  client::JobClient client(cluster->address(), {});
  AUTOTP_ASSIGN_OR_RETURN(const v1::ValidateJobResponse answer,
                          client.Validate(spec));
  PrintDiagnostics(answer.diagnostics(), spec);
  if (!answer.valid()) return kExitInvalidInput;
  folder->Keep();
  AUTOTP_ASSIGN_OR_RETURN(v1::Job job, client.Create(spec, /*job_id=*/""));

  std::atomic<bool> interrupted = false;
  absl::Status followed;
  {
    InterruptWatcher watcher([&](int count) {
      interrupted = true;
      std::fprintf(stderr, "\n%s\n",
                   count == 1 ? "saving a checkpoint, then stopping; again to "
                                "stop at once"
                              : "stopping at once");
      const auto cancelled = client.Cancel(
          job.name(), count == 1 ? v1::CancelJobRequest::MODE_CHECKPOINT
                                 : v1::CancelJobRequest::MODE_IMMEDIATE);
      if (!cancelled.ok()) Fail(cancelled.status());
    });
    followed = FollowSteps(client, job.name(), flags);
  }
  AUTOTP_RETURN_IF_ERROR(followed);
  AUTOTP_ASSIGN_OR_RETURN(job, client.Get(job.name()));
  return ShowEnd(job, flags, interrupted);
}

}  // namespace

void AddTrainCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "train", "Train on this host and leave a Hugging Face folder");
  auto flags = std::make_shared<TrainFlags>();
  AddJobFlags(*command, flags->request, "--output", /*required=*/true);
  command->add_option("--metrics", flags->metrics,
                      "file that gets one JSON object per step");
  command->add_option("--format", flags->format, "of the answer: text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    const absl::StatusOr<int> result = Train(*flags);
    exit_code = result.ok() ? *result : Fail(result.status());
  });
}

}  // namespace autotp::cli
