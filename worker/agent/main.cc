// main.cc -- autotp-worker: one host's agent.
#include <signal.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <memory>

#include "CLI/CLI.hpp"
#include "proto/support/socket_channel.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"
#include "worker/agent/agent.h"
#include "worker/agent/options.h"
#include "worker/collective/factory.h"

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitInvalid = 2;

// To be called before any thread starts, so that all inherit the mask.
autotp::UniqueFd CatchStopSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return autotp::UniqueFd(signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK));
}

void InstallLog() {
  auto logger = spdlog::stderr_color_mt("worker");
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%L%$ worker: %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

int main(int argc, char** argv) {
  autotp::agent::WorkerOptions options;
  CLI::App app("AutoTP worker: offers the slots of this host to a coordinator");
  app.add_option("--coordinator", options.coordinator,
                 "where the coordinator listens: host:port or unix:/path")
      ->required();
  app.add_option("--slots", options.slots,
                 "trainers that may run here at a time (default 1)");
  app.add_option("--name", options.name,
                 "this worker's name (default: the host's)");
  app.add_option("--device", options.device, "cpu or cuda (default cpu)");
  app.add_option("--data-address", options.data_address,
                 "address that trainers of other hosts reach (default: the "
                 "one that faces the coordinator)");
  app.add_option("--trainer-binary", options.trainer_binary,
                 "the trainer (default: autotp-trainer beside this program)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitInvalid;
  }
  InstallLog();
  const autotp::UniqueFd signals = CatchStopSignals();
  if (const absl::Status status = autotp::agent::Resolve(&options);
      !status.ok()) {
    std::fprintf(stderr, "autotp-worker: %s\n",
                 std::string(status.message()).c_str());
    return kExitInvalid;
  }
  autotp::agent::Agent agent(
      options, {.create_memory = &autotp::collective::CreateSharedMemory,
                .abort_memory = &autotp::collective::AbortSharedMemory});
  agent.StopOnReadable(signals.get());
  const absl::Status status = agent.Run();
  if (status.ok()) return 0;
  spdlog::error("{}", status.ToString());
  return absl::IsInvalidArgument(status) ? kExitInvalid : kExitFailed;
}
