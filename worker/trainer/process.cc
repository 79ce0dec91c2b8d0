#include "worker/trainer/process.h"

#include <unistd.h>

#include <exception>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"
#include "worker/trainer/failure_reason.h"
#include "worker/trainer/socket_host.h"

namespace autotp::trainer {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(60);

// Every line goes out at once: the last ones matter most after a crash.
void InstallLog(const v1::TrainerTask& task) {
  auto logger = std::make_shared<spdlog::logger>(
      "trainer", std::make_shared<spdlog::sinks::stdout_sink_mt>());
  logger->set_pattern(absl::StrCat("%Y-%m-%d %H:%M:%S.%e %L [rank ",
                                   task.rank(), "/", task.world_size(),
                                   " attempt ", task.attempt(), "] %v"));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

// Exceptions that reach this border are bugs or libraries': one fence for all.
absl::StatusOr<TrainResult> TrainGuarded(const TrainFunction& train,
                                         const v1::TrainerTask& task,
                                         TrainerHost& host) {
  try {
    return train(task, host);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of host memory");
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("training threw: ", e.what()));
  }
}

v1::ReportTrainerRequest DescribeEnd(
    const v1::TrainerTask& task, const absl::StatusOr<TrainResult>& result) {
  v1::ReportTrainerRequest state;
  state.set_rank(task.rank());
  if (result.ok()) {
    state.set_state(result->stopped_early
                        ? v1::ReportTrainerRequest::STATE_STOPPED
                        : v1::ReportTrainerRequest::STATE_FINISHED);
    state.set_step(result->step);
    state.set_model_path(result->model_path);
    return state;
  }
  state.set_state(v1::ReportTrainerRequest::STATE_FAILED);
  v1::Failure* failure = state.mutable_failure();
  failure->set_reason(ReasonOf(result.status()));
  failure->set_rank(task.rank());
  failure->set_exit_code(kExitFailed);
  failure->set_message(std::string(result.status().message()));
  return state;
}

}  // namespace

int RunTrainer(ForkedTrainer trainer, const TrainFunction& train) {
  FrameDecoder decoder;
  v1::ToTrainer first;
  const absl::Status started = ReadFrame(trainer.control.get(), decoder, &first,
                                         absl::Now() + kStartTimeout);
  if (!started.ok() || !first.has_start()) {
    spdlog::error("no task came from the agent: {}", started.ToString());
    return kExitBadStart;
  }
  const v1::TrainerTask task = std::move(*first.mutable_start());
  InstallLog(task);
  spdlog::info(
      "{} attempt {} epoch {}: slot {}, {} threads, {} shared segments",
      task.job(), task.attempt(), task.group_epoch(), trainer.slot,
      trainer.threads, trainer.memory.size());
  SocketHostOptions options;
  options.job = task.job();
  options.attempt = task.attempt();
  options.data_address = trainer.data_address;
  options.threads = trainer.threads;
  options.on_agent_gone = [] {
    spdlog::error("the worker's agent is gone; ending");
    _exit(kExitNoAgent);
  };
  SocketHost host(std::move(trainer.control), std::move(decoder),
                  std::move(trainer.memory), std::move(options));
  const absl::StatusOr<TrainResult> result = TrainGuarded(train, task, host);
  const v1::ReportTrainerRequest state = DescribeEnd(task, result);
  if (result.ok()) {
    spdlog::info("{} at step {}",
                 result->stopped_early ? "stopped" : "finished", result->step);
  } else {
    spdlog::error("failed: {}", result.status().ToString());
  }
  const absl::Status reported = host.ReportEnd(state);
  if (!reported.ok()) {
    spdlog::error("the end was not reported: {}", reported.ToString());
    return kExitNoAgent;
  }
  return result.ok() ? kExitDone : kExitFailed;
}

}  // namespace autotp::trainer
