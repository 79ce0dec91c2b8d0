#include "worker/agent/agent.h"

#include <poll.h>

#include <utility>

#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

#ifndef AUTOTP_VERSION
#define AUTOTP_VERSION "unknown"
#endif

namespace autotp::agent {
namespace {

constexpr absl::Duration kDrainTimeout = absl::Seconds(2);
constexpr absl::Duration kDrainInterval = absl::Milliseconds(10);
constexpr absl::Duration kDeregisterTimeout = absl::Seconds(2);

SupervisorOptions SupervisorOptionsOf(const WorkerOptions& options,
                                      AgentDeps deps) {
  SupervisorOptions supervisor;
  supervisor.worker = options.name;
  supervisor.slots = options.slots;
  supervisor.data_address = options.data_address;
  supervisor.zygote.binary = options.trainer_binary;
  supervisor.zygote.threads = ThreadsPerSlot(UsableCores(), options.slots);
  supervisor.create_memory = std::move(deps.create_memory);
  supervisor.abort_memory = std::move(deps.abort_memory);
  return supervisor;
}

v1::RegisterWorkerRequest Describe(const WorkerOptions& options) {
  v1::RegisterWorkerRequest self;
  self.mutable_fence()->set_worker(options.name);
  self.set_host(HostName());
  self.set_data_address(options.data_address);
  self.set_device(options.device);
  self.set_slots(options.slots);
  self.set_memory_bytes(HostMemoryBytes());
  self.set_version(AUTOTP_VERSION);
  return self;
}

}  // namespace

Agent::Agent(const WorkerOptions& options, AgentDeps deps)
    : options_(options),
      client_(loop_, OpenChannel(options_.coordinator)),
      session_(loop_, client_, Describe(options_),
               {.running = [this] { return supervisor_.Running(); },
                .on_assignment =
                    [this](const v1::Assignment& assignment) {
                      supervisor_.Apply(assignment);
                    },
                .on_refused =
                    [this](const absl::Status& status) {
                      supervisor_.DropAll("the coordinator refuses the worker");
                      BeginStop(status);
                    }}),
      supervisor_(loop_, session_,
                  SupervisorOptionsOf(options_, std::move(deps))) {}

absl::Status Agent::Run() {
  spdlog::info("worker       {} (AutoTP {})", options_.name, AUTOTP_VERSION);
  spdlog::info("coordinator  {}", options_.coordinator);
  spdlog::info("slots        {} {}, {} threads each ({} cores)", options_.slots,
               options_.device, ThreadsPerSlot(UsableCores(), options_.slots),
               UsableCores());
  spdlog::info("data address {}", options_.data_address);
  spdlog::info("trainer      {}", options_.trainer_binary);
  result_ = supervisor_.Start();
  if (!result_.ok()) return result_;
  session_.Start();
  loop_.Run();
  return result_;
}

void Agent::Stop() {
  loop_.Post([this] { BeginStop(absl::OkStatus()); });
}

void Agent::StopOnReadable(int descriptor) {
  loop_.Watch(descriptor, POLLIN, [this, descriptor](short) {
    loop_.Unwatch(descriptor);
    BeginStop(absl::OkStatus());
  });
}

void Agent::BeginStop(const absl::Status& result) {
  if (std::exchange(stopping_, true)) return;
  result_ = result;
  spdlog::info("stopping: trainers end, then this worker deregisters");
  supervisor_.Stop();
  drain_deadline_ = absl::Now() + kDrainTimeout;
  FinishStop();
}

void Agent::FinishStop() {
  if (session_.registered() && !supervisor_.drained() &&
      absl::Now() < drain_deadline_) {
    loop_.RunAt(absl::Now() + kDrainInterval, [this] { FinishStop(); });
    return;
  }
  session_.Deregister(kDeregisterTimeout, [this] { loop_.Quit(); });
}

}  // namespace autotp::agent
