// fake_trainer.cc -- autotp-trainer without tensors: a zygote whose trainers
// do what the name of their job says.
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/status_macros.h"
#include "worker/trainer/failure_reason.h"
#include "worker/trainer/process.h"
#include "worker/trainer/zygote.h"

namespace autotp::trainer {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

// Waits until `done`; false: too long.
template <typename Condition>
bool WaitUntil(Condition done) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!done()) {
    if (absl::Now() > deadline) return false;
    poll(nullptr, 0, 2);
  }
  return true;
}

std::atomic<int>* Memory(TrainerHost& host, const v1::TrainerTask& task) {
  const int descriptor = host.SharedMemory(task.groups(0).key());
  void* memory = mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                      MAP_SHARED, descriptor, 0);
  return memory == MAP_FAILED ? nullptr
                              : static_cast<std::atomic<int>*>(memory);
}

void ReportSteps(const v1::TrainerTask& task, TrainerHost& host) {
  for (int64_t step = 1; step <= task.max_steps(); ++step) {
    v1::StepMetrics metrics;
    metrics.set_step(step);
    metrics.set_loss(1.0 / static_cast<double>(step));
    if (task.rank() == 0) host.ReportStep(metrics);
  }
}

absl::StatusOr<TrainResult> WaitForStop(const v1::TrainerTask& task,
                                        TrainerHost& host) {
  if (!WaitUntil([&host] { return host.PollWishes().stop_after_step; })) {
    return absl::DeadlineExceededError("no order to stop came");
  }
  return TrainResult{.stopped_early = true, .step = task.max_steps()};
}

absl::Status Checkpoint(const v1::TrainerTask& task, TrainerHost& host) {
  AUTOTP_ASSIGN_OR_RETURN(const v1::BeginCheckpointResponse begun,
                          host.BeginCheckpoint(task.max_steps()));
  v1::ReportPartRequest part;
  part.set_checkpoint(begun.checkpoint());
  part.set_rank(task.rank());
  part.mutable_part()->set_rank(task.rank());
  AUTOTP_ASSIGN_OR_RETURN(const v1::ReportPartResponse parts,
                          host.ReportPart(part));
  if (task.rank() != 0) return absl::OkStatus();
  if (parts.parts_size() != task.world_size()) {
    return absl::InternalError(absl::StrCat(parts.parts_size(), " parts"));
  }
  v1::CommitCheckpointRequest commit;
  commit.set_checkpoint(begun.checkpoint());
  commit.set_manifest_digest("digest");
  return host.CommitCheckpoint(commit);
}

absl::Status ExchangeKeys(const v1::TrainerTask& task, TrainerHost& host) {
  const std::string own = std::to_string(task.rank());
  const std::string next =
      std::to_string((task.rank() + 1) % task.world_size());
  AUTOTP_RETURN_IF_ERROR(host.keys().Set("key/" + own, "value " + own));
  AUTOTP_ASSIGN_OR_RETURN(const std::string value,
                          host.keys().Get("key/" + next, kPatience));
  if (value != "value " + next) return absl::InternalError(value);
  return absl::OkStatus();
}

absl::StatusOr<TrainResult> FakeTrain(const v1::TrainerTask& task,
                                      TrainerHost& host) {
  const std::string what = task.job().substr(task.job().rfind('/') + 1);
  std::printf("this is rank %d of %s\n", task.rank(), what.c_str());
  std::fflush(stdout);
  host.ReportReady(0);
  ReportSteps(task, host);
  if (what == "finish") {
    return TrainResult{.step = task.max_steps(), .model_path = "/model"};
  }
  if (what == "stop") return WaitForStop(task, host);
  if (what == "keys") {
    AUTOTP_RETURN_IF_ERROR(ExchangeKeys(task, host));
  } else if (what == "checkpoint") {
    AUTOTP_RETURN_IF_ERROR(Checkpoint(task, host));
  } else if (what == "broken-data" && task.rank() == 1) {
    return WithReason(absl::OutOfRangeError("token 99 is not below 10"),
                      v1::FAILURE_REASON_DATA);
  } else if (what == "throw") {
    throw std::runtime_error("a thrown error");
  } else if (what == "crash" && task.rank() == 1) {
    std::printf("about to crash\n");
    std::fflush(stdout);
    std::abort();
  } else if (what == "crash" || what == "broken-data") {
    // As a rank in a collective: it wakes when the group is aborted.
    std::atomic<int>* aborted = Memory(host, task);
    if (aborted == nullptr) return absl::InternalError("no shared memory");
    WaitUntil([aborted] { return aborted->load() != 0; });
    return absl::UnavailableError("a peer is gone");
  } else if (what == "count") {
    std::atomic<int>* count = Memory(host, task);
    if (count == nullptr) return absl::InternalError("no shared memory");
    count->fetch_add(1);
    if (!WaitUntil([&] { return count->load() == task.world_size(); })) {
      return absl::DeadlineExceededError("a rank did not count");
    }
  }
  return TrainResult{.step = task.max_steps()};
}

}  // namespace
}  // namespace autotp::trainer

// Called by worker/agent as: --zygote --control-fd N.
int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return autotp::trainer::RunZygote(autotp::UniqueFd(std::atoi(argv[3])),
                                    [](autotp::trainer::ForkedTrainer trainer) {
                                      return autotp::trainer::RunTrainer(
                                          std::move(trainer),
                                          &autotp::trainer::FakeTrain);
                                    });
}
