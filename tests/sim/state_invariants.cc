#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/core/checkpoints.h"
#include "coordinator/core/job_state.h"
#include "google/protobuf/util/message_differencer.h"
#include "proto/support/status_macros.h"
#include "tests/sim/invariants.h"

namespace autotp::sim {
namespace {

using core::CheckpointKey;
using core::Job;
using core::State;
using core::Worker;

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat(parts...));
}

absl::Status CheckSeating(const State& state, const Job& job) {
  const auto& ranks = job.record.ranks();
  if (!core::IsActive(job.state())) {
    if (!ranks.empty()) return Broken(job.name(), " holds ranks but is idle");
    if (!job.keys.empty()) return Broken(job.name(), " keeps keys but is idle");
    return absl::OkStatus();
  }
  if (ranks.size() != job.spec().world_size()) {
    return Broken(job.name(), " has ", ranks.size(), " ranks, not ",
                  job.spec().world_size());
  }
  if (job.plan == nullptr) return Broken(job.name(), " runs without a plan");
  const int tp = job.plan->plan().tensor_parallel_size();
  for (int rank = 0; rank < ranks.size(); ++rank) {
    const auto& first = ranks[rank - rank % tp];
    if (ranks[rank].worker() != first.worker()) {
      return Broken(job.name(), ": the TP group of rank ", rank,
                    " is on two workers");
    }
    if (ranks[rank].device() != ranks[0].device()) {
      return Broken(job.name(), " mixes devices");
    }
    if (ranks[rank].state() >= v1::RankRecord::STATE_FINISHED) continue;
    const auto worker = state.workers.find(ranks[rank].worker());
    if (worker == state.workers.end() ||
        worker->second.state == Worker::State::kLost) {
      return Broken(job.name(), " rank ", rank, " is on a lost worker");
    }
    if (worker->second.incarnation != ranks[rank].incarnation()) {
      return Broken(job.name(), " rank ", rank, " is on a replaced process");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCheckpoint(const Job& job, const CheckpointKey& key,
                             const v1::CheckpointRecord& record) {
  const v1::Checkpoint& checkpoint = record.checkpoint();
  const CheckpointKey said{checkpoint.step(), checkpoint.attempt(),
                           checkpoint.group_epoch()};
  if (said != key) {
    return Broken(checkpoint.name(), " is filed under another key");
  }
  if (checkpoint.state() == v1::Checkpoint::STATE_WRITING &&
      (!core::IsActive(job.state()) || key.attempt != job.status().attempt() ||
       key.group_epoch != job.status().group_epoch())) {
    return Broken(checkpoint.name(), " is written by an era that is over");
  }
  if (checkpoint.state() != v1::Checkpoint::STATE_COMMITTED) {
    return absl::OkStatus();
  }
  if (record.parts_size() != job.spec().world_size()) {
    return Broken(checkpoint.name(), " is committed with ", record.parts_size(),
                  " of ", job.spec().world_size(), " parts");
  }
  for (int rank = 0; rank < record.parts_size(); ++rank) {
    if (record.parts(rank).rank() != rank) {
      return Broken(checkpoint.name(), " lacks the part of rank ", rank);
    }
  }
  if (key.step > job.record.committed_step()) {
    return Broken(checkpoint.name(), " is newer than the job's committed step");
  }
  return absl::OkStatus();
}

// An attempt begins at a checkpoint that counts, or where the job began.
absl::Status CheckResume(const Job& job) {
  const std::string& manifest = job.record.resume_manifest();
  if (!core::IsActive(job.state()) || manifest.empty() ||
      manifest == job.record.first_manifest()) {
    return absl::OkStatus();
  }
  for (const auto& [key, record] : job.checkpoints) {
    if (core::ManifestPath(record.checkpoint().path()) == manifest &&
        record.checkpoint().state() == v1::Checkpoint::STATE_COMMITTED) {
      return absl::OkStatus();
    }
  }
  return Broken(job.name(), " resumed from ", manifest,
                ", which is not committed");
}

// What a restart may forget.
v1::JobRecord Durable(v1::JobRecord record) {
  v1::JobStatus& status = *record.mutable_job()->mutable_status();
  status.clear_state_message();
  status.clear_progress();
  return record;
}

}  // namespace

absl::Status CheckSlots(const State& state) {
  std::map<std::pair<std::string, int>, std::string> holders;
  for (const auto& [name, job] : state.jobs) {
    for (const v1::RankRecord& rank : job.record.ranks()) {
      const auto [held, is_new] =
          holders.try_emplace({rank.worker(), rank.slot()}, name);
      if (!is_new) {
        return Broken("slot ", rank.slot(), " of ", rank.worker(),
                      " is given to ", held->second, " and to ", name);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRanks(const State& state) {
  for (const auto& [name, job] : state.jobs) {
    AUTOTP_RETURN_IF_ERROR(CheckSeating(state, job));
    if (job.record.restarts() > job.spec().max_restarts()) {
      return Broken(name, " was restarted ", job.record.restarts(), " times");
    }
    if (core::IsWaiting(job.state()) && job.status().state_message().empty()) {
      return Broken(name, " waits and does not say why");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCheckpoints(const State& state) {
  std::set<std::string> folders;
  for (const auto& [name, job] : state.jobs) {
    for (const auto& [key, record] : job.checkpoints) {
      AUTOTP_RETURN_IF_ERROR(CheckCheckpoint(job, key, record));
      if (!folders.insert(record.checkpoint().path()).second) {
        return Broken(record.checkpoint().path(), " belongs to two eras");
      }
    }
    AUTOTP_RETURN_IF_ERROR(CheckResume(job));
  }
  return absl::OkStatus();
}

absl::Status CheckRequests(const State& state) {
  std::map<std::string, std::string> made;
  for (const auto& [name, job] : state.jobs) {
    const std::string& request = job.record.request_id();
    if (request.empty()) continue;
    const auto [other, is_new] = made.try_emplace(request, name);
    if (!is_new) {
      return Broken("request ", request, " made ", other->second, " and ",
                    name);
    }
  }
  if (made != state.requests) return Broken("the index of requests is wrong");
  return absl::OkStatus();
}

absl::Status CheckState(const State& state) {
  AUTOTP_RETURN_IF_ERROR(CheckSlots(state));
  AUTOTP_RETURN_IF_ERROR(CheckRanks(state));
  AUTOTP_RETURN_IF_ERROR(CheckCheckpoints(state));
  return CheckRequests(state);
}

absl::Status CheckRemovals(const State& state, const core::Effects& effects) {
  const std::set<std::string> removed(effects.removable_folders.begin(),
                                      effects.removable_folders.end());
  if (removed.empty()) return absl::OkStatus();
  for (const auto& [name, job] : state.jobs) {
    for (const auto& [key, record] : job.checkpoints) {
      const v1::Checkpoint& checkpoint = record.checkpoint();
      if (checkpoint.state() != v1::Checkpoint::STATE_ABORTED &&
          removed.contains(checkpoint.path())) {
        return Broken(checkpoint.name(), " is removed but still counts");
      }
    }
    for (const std::string& folder : removed) {
      const std::string manifest = core::ManifestPath(folder);
      if (!core::IsTerminal(job.state()) &&
          (manifest == job.record.resume_manifest() ||
           manifest == job.record.first_manifest())) {
        return Broken(folder, " is removed while ", name, " needs it");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckReload(const State& before, const State& after) {
  using google::protobuf::util::MessageDifferencer;
  if (before.requests != after.requests) {
    return Broken("requests differ after a restart");
  }
  for (const auto& [name, job] : before.jobs) {
    const auto found = after.jobs.find(name);
    if (found == after.jobs.end()) return Broken(name, " did not survive");
    const Job& loaded = found->second;
    if (!MessageDifferencer::Equals(Durable(job.record),
                                    Durable(loaded.record))) {
      return Broken(name, " differs after a restart: ",
                    Durable(job.record).ShortDebugString(), "\nis now ",
                    Durable(loaded.record).ShortDebugString());
    }
    if (job.checkpoints.size() != loaded.checkpoints.size()) {
      return Broken(name, " has other checkpoints after a restart");
    }
    for (const auto& [key, record] : job.checkpoints) {
      const auto same = loaded.checkpoints.find(key);
      if (same == loaded.checkpoints.end() ||
          !MessageDifferencer::Equals(record, same->second)) {
        return Broken(record.checkpoint().name(), " differs after a restart");
      }
    }
    if (job.events.size() != loaded.events.size()) {
      return Broken(name, " has ", loaded.events.size(), " events, not ",
                    job.events.size(), " after a restart");
    }
  }
  return absl::OkStatus();
}

}  // namespace autotp::sim
