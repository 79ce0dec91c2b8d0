#include "coordinator/core/roster.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/core/job_state.h"
#include "coordinator/core/time_proto.h"
#include "proto/support/status_macros.h"

namespace autotp::core {
namespace {

constexpr size_t kRetiredMax = 16;
constexpr int32_t kSlotsMax = 1024;

absl::Status ValidateRegistration(const State& state,
                                  const v1::RegisterWorkerRequest& request) {
  const v1::Fence& fence = request.fence();
  if (!fence.cluster_uid().empty() &&
      fence.cluster_uid() != state.cluster_uid) {
    return absl::FailedPreconditionError(absl::StrCat(
        "WRONG_CLUSTER: worker ", fence.worker(), " belongs to cluster ",
        fence.cluster_uid(), ", this is ", state.cluster_uid,
        "; restart the worker to move it here"));
  }
  if (fence.coordinator_epoch() > state.epoch) {
    return absl::UnavailableError(absl::StrCat(
        "worker ", fence.worker(), " has seen a coordinator of epoch ",
        fence.coordinator_epoch(), ", this one is of epoch ", state.epoch));
  }
  if (fence.worker().empty()) {
    return absl::InvalidArgumentError("fence.worker: empty");
  }
  if (fence.incarnation().empty()) {
    return absl::InvalidArgumentError("fence.incarnation: empty");
  }
  if (request.device() != "cpu" && request.device() != "cuda") {
    return absl::InvalidArgumentError(absl::StrCat(
        "device: \"", request.device(), "\"; must be cpu or cuda"));
  }
  if (request.slots() < 1 || request.slots() > kSlotsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("slots: ", request.slots(), "; must be 1 to ", kSlotsMax));
  }
  return absl::OkStatus();
}

// Ranks of active jobs that this worker holds and has not finished.
std::vector<std::pair<Job*, int>> OpenRanks(State& state,
                                            const std::string& worker) {
  std::vector<std::pair<Job*, int>> ranks;
  for (auto& [name, job] : state.jobs) {
    if (!IsActive(job.state())) continue;
    for (int rank = 0; rank < job.record.ranks_size(); ++rank) {
      const v1::RankRecord& record = job.record.ranks(rank);
      if (record.worker() == worker &&
          record.state() < v1::RankRecord::STATE_FINISHED) {
        ranks.emplace_back(&job, rank);
      }
    }
  }
  return ranks;
}

void FailRanks(Change change, const Worker& worker, const std::string& why) {
  std::set<std::string> failed;  // the first rank of a job speaks for it
  for (const auto& [job, rank] : OpenRanks(change.state, worker.name)) {
    if (!failed.insert(job->name()).second) continue;
    v1::Failure failure;
    failure.set_reason(v1::FAILURE_REASON_WORKER_LOST);
    failure.set_worker(worker.name);
    failure.set_rank(rank);
    failure.set_message(absl::StrCat("worker ", worker.name, " ", why));
    FailAttempt(change, *job, std::move(failure));
  }
}

// The trainers that a returning process still runs, if they are current.
std::string DescribeAdopted(const State& state,
                            const v1::RegisterWorkerRequest& request) {
  std::vector<std::string> adopted;
  for (const v1::RunningTrainer& trainer : request.running()) {
    const auto job = state.jobs.find(trainer.job());
    if (job == state.jobs.end() || !IsActive(job->second.state())) continue;
    const v1::JobStatus& status = job->second.status();
    if (trainer.attempt() != status.attempt() ||
        trainer.group_epoch() != status.group_epoch() || trainer.rank() < 0 ||
        trainer.rank() >= job->second.record.ranks_size() ||
        job->second.record.ranks(trainer.rank()).worker() !=
            request.fence().worker()) {
      continue;
    }
    adopted.push_back(absl::StrCat("rank ", trainer.rank(), " of ",
                                   trainer.job(), " at step ", trainer.step()));
  }
  return absl::StrJoin(adopted, ", ");
}

// A name whose process is gone for good makes room for a new one.
absl::Status MakeRoom(State& state) {
  if (state.workers.size() < state.policy.workers_max) return absl::OkStatus();
  for (auto it = state.workers.begin(); it != state.workers.end(); ++it) {
    if (it->second.state == Worker::State::kLost) {
      state.workers.erase(it);
      return absl::OkStatus();
    }
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "the cluster has ", state.workers.size(), " workers; no more fit"));
}

std::set<int32_t> BusySlots(const State& state, const std::string& worker) {
  std::set<int32_t> busy;
  for (const auto& [name, job] : state.jobs) {
    for (const v1::RankRecord& rank : job.record.ranks()) {
      if (rank.worker() == worker) busy.insert(rank.slot());
    }
  }
  return busy;
}

std::vector<Offer> Offers(const State& state, absl::Time now, bool all) {
  std::vector<Offer> offers;
  for (const auto& [name, worker] : state.workers) {
    if (worker.state != Worker::State::kReady ||
        now - worker.last_heartbeat > state.policy.suspect_after) {
      continue;
    }
    const std::set<int32_t> busy =
        all ? std::set<int32_t>() : BusySlots(state, name);
    Offer offer{name, worker.device, {}};
    for (int32_t slot = 0; slot < worker.slots; ++slot) {
      if (!busy.contains(slot)) offer.free_slots.push_back(slot);
    }
    offers.push_back(std::move(offer));
  }
  return offers;
}

}  // namespace

absl::StatusOr<v1::RegisterWorkerResponse> RegisterWorker(
    Change change, const v1::RegisterWorkerRequest& request) {
  State& state = change.state;
  AUTOTP_RETURN_IF_ERROR(ValidateRegistration(state, request));
  const v1::Fence& fence = request.fence();
  if (!state.workers.contains(fence.worker())) {
    AUTOTP_RETURN_IF_ERROR(MakeRoom(state));
  }
  Worker& worker = state.workers[fence.worker()];
  worker.name = fence.worker();
  auto& retired = worker.retired_incarnations;
  if (std::find(retired.begin(), retired.end(), fence.incarnation()) !=
      retired.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("WORKER_FENCED: another process has registered as ",
                     fence.worker(), "; give this worker another name"));
  }
  if (!worker.incarnation.empty() &&
      worker.incarnation != fence.incarnation()) {
    FailRanks(change, worker, "was restarted");
    retired.push_back(worker.incarnation);
    if (retired.size() > kRetiredMax) retired.pop_front();
  }
  const std::string adopted = DescribeAdopted(state, request);
  const bool again = worker.state == Worker::State::kReady &&
                     worker.incarnation == fence.incarnation();
  worker.state = Worker::State::kReady;
  worker.incarnation = fence.incarnation();
  worker.host = request.host();
  worker.data_address = request.data_address();
  worker.device = request.device();
  worker.slots = request.slots();
  worker.memory_bytes = request.memory_bytes();
  worker.version = request.version();
  if (worker.generation == 0) {
    // Above every generation that an earlier coordinator has sent.
    worker.generation = state.epoch << 32;
  }
  Heard(change, worker);
  Touch(change, worker.name);
  if (!again) {
    change.effects.log_lines.push_back(
        absl::StrCat("worker ", worker.name, " registered: ", worker.slots, " ",
                     worker.device, worker.slots == 1 ? " slot" : " slots",
                     adopted.empty() ? "" : "; goes on with ", adopted));
  }
  v1::RegisterWorkerResponse response;
  response.mutable_fence()->set_cluster_uid(state.cluster_uid);
  response.mutable_fence()->set_coordinator_epoch(state.epoch);
  response.mutable_fence()->set_worker(worker.name);
  response.mutable_fence()->set_incarnation(worker.incarnation);
  *response.mutable_lease() = ToProtoDuration(state.policy.lease);
  *response.mutable_heartbeat_interval() =
      ToProtoDuration(state.policy.heartbeat_interval);
  return response;
}

void Heard(Change change, Worker& worker) {
  worker.last_heartbeat = change.now;
  worker.lease_deadline = change.now + change.state.policy.lease;
}

void LoseWorker(Change change, Worker& worker, const std::string& why) {
  change.effects.log_lines.push_back(
      absl::StrCat("worker ", worker.name, " lost: ", why));
  worker.state = Worker::State::kLost;
  FailRanks(change, worker, why);
  Touch(change, worker.name);
}

void ExpireLeases(Change change) {
  for (auto& [name, worker] : change.state.workers) {
    if (worker.state == Worker::State::kLost ||
        change.now <= worker.lease_deadline) {
      continue;
    }
    LoseWorker(change, worker,
               worker.state == Worker::State::kExpected
                   ? "did not come back after the coordinator's restart"
                   : absl::StrCat("was silent for ",
                                  Rounded(change.now - worker.last_heartbeat)));
  }
}

std::vector<Offer> FreeSlots(const State& state, absl::Time now) {
  return Offers(state, now, /*all=*/false);
}

std::vector<Offer> AllSlots(const State& state, absl::Time now) {
  return Offers(state, now, /*all=*/true);
}

v1::Worker ShowWorker(const State& state, const Worker& worker,
                      absl::Time now) {
  v1::Worker shown;
  shown.set_name(worker.name);
  shown.set_incarnation(worker.incarnation);
  shown.set_host(worker.host);
  shown.set_device(worker.device);
  shown.set_slots_total(worker.slots);
  const absl::Duration silence = now - worker.last_heartbeat;
  *shown.mutable_since_heartbeat() = ToProtoDuration(silence);
  if (worker.state == Worker::State::kLost) {
    shown.set_state(v1::Worker::STATE_LOST);
  } else if (worker.state == Worker::State::kExpected ||
             silence > state.policy.suspect_after) {
    shown.set_state(v1::Worker::STATE_SUSPECT);
  } else {
    shown.set_state(v1::Worker::STATE_READY);
    const auto busy = BusySlots(state, worker.name);
    shown.set_slots_free(worker.slots - static_cast<int32_t>(busy.size()));
  }
  for (const auto& [name, job] : state.jobs) {
    for (const v1::RankRecord& rank : job.record.ranks()) {
      if (rank.worker() == worker.name) {
        shown.add_jobs(name);
        break;
      }
    }
  }
  return shown;
}

}  // namespace autotp::core
