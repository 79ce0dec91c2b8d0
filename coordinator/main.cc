// autotp-coordinator: opens the store, starts engine and server, waits for a
// signal, stops in the opposite order.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include <random>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "coordinator/core/core.h"
#include "coordinator/core/job_state.h"
#include "coordinator/core/ledger.h"
#include "coordinator/engine/checkpoint_folder.h"
#include "coordinator/engine/engine.h"
#include "coordinator/engine/worker_pool.h"
#include "coordinator/options.h"
#include "coordinator/planner/planner.h"
#include "coordinator/rpc/server.h"
#include "coordinator/store/sqlite_store.h"
#include "proto/support/clock.h"
#include "proto/support/status_macros.h"

namespace autotp::coordinator {
namespace {

constexpr size_t kPlannerThreads = 2;
constexpr size_t kPlannerQueueMax = 256;
constexpr absl::Duration kShutdownPatience = absl::Seconds(2);

// 128 random bits from the operating system, hexadecimal.
std::string NewUid() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x%08x", device(), device(), device(),
                         device());
}

// Written under another name first: whoever sees the file can read it whole.
absl::Status WritePortFile(const std::string& path,
                           const std::vector<std::string>& addresses) {
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary);
  file << absl::StrJoin(addresses, "\n") << "\n";
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(temporary, path, error);
  if (file && !error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("port file ", path, ": cannot be written"));
}

sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  // Before any thread starts: all of them inherit it, main waits for both.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

void LogStart(const Options& options, const core::State& state,
              const std::vector<std::string>& addresses) {
  size_t active = 0;
  for (const auto& [name, job] : state.jobs) {
    if (!core::IsTerminal(job.state())) ++active;
  }
  spdlog::info("autotp-coordinator {}", AUTOTP_VERSION);
  spdlog::info("  state      {}", options.state_dir);
  spdlog::info("  cluster    {}, coordinator epoch {}", state.cluster_uid,
               state.epoch);
  spdlog::info("  jobs       {}, {} of them not ended", state.jobs.size(),
               active);
  spdlog::info("  lease      {}, workers expected back within {}",
               absl::FormatDuration(state.policy.lease),
               absl::FormatDuration(state.policy.adopt_window));
  spdlog::info("  serving    {}", absl::StrJoin(addresses, ", "));
}

absl::Status Run(const Options& options, const sigset_t& stop_signals) {
  const RealClock clock;
  AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<store::StateStore> store,
                          store::OpenSqliteStore(options.state_dir, NewUid()));
  AUTOTP_ASSIGN_OR_RETURN(std::vector<core::Row> rows, store->ReadAll());
  AUTOTP_ASSIGN_OR_RETURN(
      core::State state,
      core::LoadState(store->identity(), core::Policy(), rows, clock.Now()));
  const core::State at_start = state;

  engine::WorkerPool pool(kPlannerThreads, kPlannerQueueMax);
  engine::EngineHooks hooks;
  hooks.log = [](const std::string& line) { spdlog::info("{}", line); };
  hooks.remove_folder = [&pool](const std::string& folder) {
    pool.Post([folder] {
          const absl::Status removed = engine::RemoveCheckpoint(folder);
          if (!removed.ok()) spdlog::warn("{}", std::string(removed.message()));
        })
        .IgnoreError();  // a folder left behind is garbage, not harm
  };
  engine::Engine engine(core::Core(std::move(state)), std::move(store), clock,
                        std::move(hooks));
  AUTOTP_ASSIGN_OR_RETURN(
      std::unique_ptr<rpc::Server> server,
      rpc::Server::Start({engine, pool, planner::MakePlan, NewUid},
                         {options.listen, AUTOTP_VERSION}));
  LogStart(options, at_start, server->addresses());
  absl::Status status;
  if (!options.port_file.empty()) {
    status = WritePortFile(options.port_file, server->addresses());
  }
  if (status.ok()) {
    int signal = 0;
    sigwait(&stop_signals, &signal);
    spdlog::info("stopping on signal {}; jobs go on", signal);
  }
  engine.Stop();
  pool.Stop();
  server->Shutdown(kShutdownPatience);
  return status;
}

}  // namespace
}  // namespace autotp::coordinator

int main(int argc, char** argv) {
  using autotp::coordinator::ExitStatus;
  using autotp::coordinator::Options;
  auto parsed = autotp::coordinator::ParseOptions(argc, argv);
  if (const auto* exit = std::get_if<ExitStatus>(&parsed)) return exit->status;
  const Options& options = std::get<Options>(parsed);
  spdlog::set_default_logger(spdlog::stderr_color_mt("coordinator"));
  spdlog::set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  spdlog::flush_on(spdlog::level::info);

  const sigset_t stop_signals = autotp::coordinator::BlockStopSignals();
  const absl::Status status = autotp::coordinator::Run(options, stop_signals);
  if (status.ok()) return 0;
  spdlog::error("{}", std::string(status.message()));
  return 1;
}
