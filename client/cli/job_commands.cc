// The commands about one job or all: list, describe, watch, metrics, logs,
// cancel, checkpoints; and workers. Each asks once and shows the answer.
#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/exit_code.h"
#include "client/cli/job_text.h"
#include "client/cli/message_json.h"
#include "client/cli/metrics_file.h"
#include "client/cli/table.h"
#include "proto/support/status_macros.h"

namespace autotp::cli {
namespace {

using nlohmann::ordered_json;

struct JobFlags {
  Connection connection;
  std::string job;
  bool follow = false;
  bool immediate = false;
  bool save = false;
  int64_t after_step = 0;
  int rank = 0;
  int attempt = 0;
};

using Action = std::function<absl::StatusOr<int>(const JobFlags&)>;

// A sub-command with the connection's flags and, if asked, the job's name.
std::pair<CLI::App*, std::shared_ptr<JobFlags>> AddCommand(
    CLI::App& app, const std::string& name, const std::string& help,
    bool takes_job, int& exit_code, Action action) {
  CLI::App* command = app.add_subcommand(name, help);
  auto flags = std::make_shared<JobFlags>();
  if (takes_job) {
    command->add_option("JOB", flags->job, "the job's name")->required();
  }
  AddConnectionFlags(*command, flags->connection);
  command->callback([flags, action = std::move(action), &exit_code] {
    const absl::StatusOr<int> result = action(*flags);
    exit_code = result.ok() ? *result : Fail(result.status());
  });
  return {command, flags};
}

template <typename Message>
ordered_json JsonList(const std::vector<Message>& messages) {
  ordered_json list = ordered_json::array();
  for (const Message& message : messages) list.push_back(ToJson(message));
  return list;
}

// One JSON object a line, for streams.
void PrintLine(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

absl::StatusOr<int> List(const JobFlags& flags) {
  client::JobClient client = flags.connection.Open();
  AUTOTP_ASSIGN_OR_RETURN(const auto jobs, client.List());
  if (flags.connection.json()) {
    PrintJson({{"jobs", JsonList(jobs)}});
  } else {
    std::printf("%s", JobsTable(jobs).c_str());
  }
  return kExitDone;
}

absl::StatusOr<int> Describe(const JobFlags& flags) {
  client::JobClient client = flags.connection.Open();
  AUTOTP_ASSIGN_OR_RETURN(const v1::Job job, client.Get(flags.job));
  AUTOTP_ASSIGN_OR_RETURN(const auto events, client.Events(flags.job));
  if (flags.connection.json()) {
    ordered_json document = ToJson(job);
    document["events"] = JsonList(events);
    PrintJson(document);
  } else {
    std::printf("%s", JobDescription(job, events).c_str());
  }
  return kExitDone;
}

// Ends as the job has ended: 0 only if it succeeded.
absl::StatusOr<int> Watch(const JobFlags& flags) {
  client::JobClient client = flags.connection.Open();
  std::string shown;
  AUTOTP_ASSIGN_OR_RETURN(
      const v1::Job job, client.Watch(flags.job, [&](const v1::Job& now) {
        const std::string line =
            flags.connection.json() ? ToJson(now).dump() : JobLine(now);
        if (line != shown) PrintLine(line);
        shown = line;
        return true;
      }));
  if (job.status().state() == v1::JOB_STATE_SUCCEEDED) return kExitDone;
  if (job.status().has_last_failure()) {
    std::fprintf(stderr, "%s",
                 FailureText(job.status().last_failure()).c_str());
  }
  return kExitFailed;
}

absl::StatusOr<int> Metrics(const JobFlags& flags) {
  client::JobClient client = flags.connection.Open();
  AUTOTP_RETURN_IF_ERROR(client.Metrics(
      flags.job, flags.after_step, flags.follow,
      [&](const v1::StepMetrics& step) {
        PrintLine(flags.connection.json() ? MetricsLine(step) : StepLine(step));
        return true;
      },
      [](int64_t dropped) {
        std::fprintf(stderr, "%lld earlier steps are no longer held\n",
                     static_cast<long long>(dropped));
      }));
  return kExitDone;
}

absl::StatusOr<int> Logs(const JobFlags& flags) {
  client::JobClient client = flags.connection.Open();
  v1::TailJobLogsRequest request;
  request.set_name(flags.job);
  request.set_rank(flags.rank);
  request.set_attempt(flags.attempt);
  request.set_follow(flags.follow);
  AUTOTP_RETURN_IF_ERROR(
      client.Logs(request, [&](const v1::TailJobLogsResponse& part) {
        if (flags.connection.json()) {
          PrintLine(ToJson(part).dump(-1, ' ', false,
                                      ordered_json::error_handler_t::replace));
          return true;
        }
        if (part.dropped_bytes() > 0) {
          std::fprintf(stderr, "[%lld bytes are no longer held]\n",
                       static_cast<long long>(part.dropped_bytes()));
        }
        std::fwrite(part.data().data(), 1, part.data().size(), stdout);
        std::fflush(stdout);
        return true;
      }));
  return kExitDone;
}

absl::StatusOr<int> Cancel(const JobFlags& flags) {
  client::JobClient client = flags.connection.Open();
  AUTOTP_ASSIGN_OR_RETURN(
      const v1::Job job,
      client.Cancel(flags.job, flags.immediate
                                   ? v1::CancelJobRequest::MODE_IMMEDIATE
                                   : v1::CancelJobRequest::MODE_CHECKPOINT));
  if (flags.connection.json()) {
    PrintJson(ToJson(job));
  } else {
    std::printf("%s\n", JobLine(job).c_str());
  }
  return kExitDone;
}

absl::StatusOr<int> Checkpoints(const JobFlags& flags) {
  client::JobClient client = flags.connection.Open();
  if (flags.save) AUTOTP_RETURN_IF_ERROR(client.TriggerCheckpoint(flags.job));
  AUTOTP_ASSIGN_OR_RETURN(const auto checkpoints,
                          client.Checkpoints(flags.job));
  if (flags.connection.json()) {
    PrintJson({{"checkpoints", JsonList(checkpoints)}});
    return kExitDone;
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Checkpoint& checkpoint : checkpoints) {
    rows.push_back(
        {absl::StrCat(checkpoint.step()),
         EnumWord(v1::Checkpoint::State_descriptor(), checkpoint.state()),
         HumanBytes(static_cast<double>(checkpoint.size_bytes())),
         absl::StrCat("TP ", checkpoint.tensor_parallel_size(), " x DP ",
                      checkpoint.data_parallel_size()),
         checkpoint.path()});
  }
  std::printf(
      "%s",
      RenderTable({"STEP", "STATE", "SIZE", "LAYOUT", "PATH"}, rows).c_str());
  return kExitDone;
}

absl::StatusOr<int> Workers(const JobFlags& flags) {
  client::JobClient client = flags.connection.Open();
  AUTOTP_ASSIGN_OR_RETURN(const auto workers, client.Workers());
  if (flags.connection.json()) {
    PrintJson({{"workers", JsonList(workers)}});
    return kExitDone;
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::Worker& worker : workers) {
    rows.push_back(
        {worker.name(),
         EnumWord(v1::Worker::State_descriptor(), worker.state()),
         worker.host(), worker.device(),
         absl::StrCat(worker.slots_free(), "/", worker.slots_total()),
         absl::StrJoin(worker.jobs(), " ")});
  }
  std::printf(
      "%s",
      RenderTable({"WORKER", "STATE", "HOST", "DEVICE", "FREE", "JOBS"}, rows)
          .c_str());
  return kExitDone;
}

}  // namespace

void AddListCommand(CLI::App& app, int& exit_code) {
  AddCommand(app, "list", "All jobs", /*takes_job=*/false, exit_code, List);
}

void AddDescribeCommand(CLI::App& app, int& exit_code) {
  AddCommand(app, "describe", "Everything about a job", /*takes_job=*/true,
             exit_code, Describe);
}

void AddWatchCommand(CLI::App& app, int& exit_code) {
  AddCommand(app, "watch", "A job's state until it ends", /*takes_job=*/true,
             exit_code, Watch);
}

void AddMetricsCommand(CLI::App& app, int& exit_code) {
  const auto [command, flags] =
      AddCommand(app, "metrics", "Loss and more of every finished step",
                 /*takes_job=*/true, exit_code, Metrics);
  command->add_flag("--follow", flags->follow, "until the job ends");
  command->add_option("--after-step", flags->after_step,
                      "leave out the steps up to this one");
}

void AddLogsCommand(CLI::App& app, int& exit_code) {
  const auto [command, flags] = AddCommand(app, "logs", "A rank's log",
                                           /*takes_job=*/true, exit_code, Logs);
  command->add_option("--rank", flags->rank)->capture_default_str();
  command->add_option("--attempt", flags->attempt, "default: the newest");
  command->add_flag("--follow", flags->follow, "until the job ends");
}

void AddCancelCommand(CLI::App& app, int& exit_code) {
  const auto [command, flags] =
      AddCommand(app, "cancel", "Save a checkpoint and stop a job",
                 /*takes_job=*/true, exit_code, Cancel);
  command->add_flag("--immediate", flags->immediate,
                    "stop at once, without a checkpoint");
}

void AddCheckpointsCommand(CLI::App& app, int& exit_code) {
  const auto [command, flags] =
      AddCommand(app, "checkpoints", "A job's checkpoints", /*takes_job=*/true,
                 exit_code, Checkpoints);
  command->add_flag("--save", flags->save,
                    "first ask the running job to save one after its step");
}

void AddWorkersCommand(CLI::App& app, int& exit_code) {
  AddCommand(app, "workers", "The cluster's workers", /*takes_job=*/false,
             exit_code, Workers);
}

}  // namespace autotp::cli
