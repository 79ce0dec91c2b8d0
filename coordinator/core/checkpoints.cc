#include "coordinator/core/checkpoints.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/core/job_state.h"
#include "coordinator/core/ledger.h"
#include "coordinator/core/time_proto.h"
#include "google/protobuf/util/message_differencer.h"
#include "proto/support/status_macros.h"

namespace autotp::core {
namespace {

std::string CheckpointName(const Job& job, int64_t step) {
  return absl::StrCat(job.name(), "/checkpoints/", step);
}

// Unique to the job too: a job that resumes another writes to the same
// output folder, and its attempts are numbered from 1 again.
std::string FolderOf(const Job& job, const CheckpointKey& key) {
  return absl::StrFormat("%s/checkpoints/step-%08d-a%d-g%d-%s",
                         job.spec().run().output_path(), key.step, key.attempt,
                         key.group_epoch, job.record.job().uid().substr(0, 8));
}

CheckpointKey KeyOf(const Job& job, int64_t step) {
  return {step, job.status().attempt(), job.status().group_epoch()};
}

// One folder, one spelling: "out//" and "out" are the same place.
std::string Normal(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

// The record of this name in the current era.
absl::StatusOr<v1::CheckpointRecord*> Find(Job& job, const std::string& name) {
  for (auto& [key, record] : job.checkpoints) {
    if (key.attempt == job.status().attempt() &&
        key.group_epoch == job.status().group_epoch() &&
        record.checkpoint().name() == name) {
      return &record;
    }
  }
  return absl::NotFoundError(
      absl::StrCat(name, " was not begun in attempt ", job.status().attempt()));
}

absl::Status RequireNewer(const Job& job, int64_t step) {
  if (step > job.record.committed_step()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("step ", step, ": the checkpoint of step ",
                   job.record.committed_step(), " is committed already"));
}

bool IsComplete(const Job& job, const v1::CheckpointRecord& record) {
  return record.parts_size() == job.record.ranks_size();
}

// May a job that has not ended begin from this folder, now or again? Another
// one that resumes it has it as its first manifest.
bool IsNeeded(const State& state, const std::string& folder) {
  const std::string manifest = Normal(ManifestPath(folder));
  return std::any_of(state.jobs.begin(), state.jobs.end(),
                     [&manifest](const auto& entry) {
                       const v1::JobRecord& record = entry.second.record;
                       return !IsTerminal(entry.second.state()) &&
                              (Normal(record.first_manifest()) == manifest ||
                               Normal(record.resume_manifest()) == manifest);
                     });
}

// Older ones beyond what the user wants kept: the record goes first, so that
// a half-removed folder is never taken for a checkpoint.
void RemoveOld(Change change, Job& job) {
  const int32_t keep = job.spec().checkpoint().keep_latest();
  if (keep <= 0) return;
  std::vector<CheckpointKey> committed;
  for (const auto& [key, record] : job.checkpoints) {
    if (record.checkpoint().state() == v1::Checkpoint::STATE_COMMITTED) {
      committed.push_back(key);
    }
  }
  const int surplus = static_cast<int>(committed.size()) - keep;
  for (int i = 0; i < surplus; ++i) {
    const v1::CheckpointRecord& record = job.checkpoints.at(committed[i]);
    if (IsNeeded(change.state, record.checkpoint().path())) continue;
    EraseCheckpoint(record, change.effects);
    auto& removed = change.state.removed_folders;
    removed.push_back(Normal(record.checkpoint().path()));
    if (removed.size() > change.state.policy.removed_folders_max) {
      removed.pop_front();
    }
    change.effects.removable_folders.push_back(record.checkpoint().path());
    job.checkpoints.erase(committed[i]);
  }
}

}  // namespace

absl::StatusOr<v1::BeginCheckpointResponse> BeginCheckpoint(
    Change change, Job& job, const v1::BeginCheckpointRequest& request) {
  const int64_t step = request.step();
  if (step < 1 || step > job.spec().run().max_steps()) {
    return absl::InvalidArgumentError(
        absl::StrCat("step: ", step, "; the job's steps are 1 to ",
                     job.spec().run().max_steps()));
  }
  const CheckpointKey key = KeyOf(job, step);
  auto found = job.checkpoints.find(key);
  if (found == job.checkpoints.end()) {
    AUTOTP_RETURN_IF_ERROR(RequireNewer(job, step));
    v1::CheckpointRecord record;
    record.set_job(job.name());
    v1::Checkpoint& checkpoint = *record.mutable_checkpoint();
    checkpoint.set_name(CheckpointName(job, step));
    checkpoint.set_state(v1::Checkpoint::STATE_WRITING);
    checkpoint.set_step(step);
    checkpoint.set_attempt(key.attempt);
    checkpoint.set_group_epoch(key.group_epoch);
    checkpoint.set_path(FolderOf(job, key));
    const v1::Plan& plan = job.plan->plan();
    checkpoint.set_tensor_parallel_size(plan.tensor_parallel_size());
    checkpoint.set_data_parallel_size(plan.data_parallel_size());
    SaveCheckpoint(record, change.effects);
    found = job.checkpoints.emplace(key, std::move(record)).first;
  }
  v1::BeginCheckpointResponse response;
  response.set_checkpoint(found->second.checkpoint().name());
  response.set_path(found->second.checkpoint().path());
  return response;
}

absl::StatusOr<v1::ReportPartResponse> ReportPart(
    Change change, Job& job, const v1::ReportPartRequest& request) {
  AUTOTP_ASSIGN_OR_RETURN(v1::CheckpointRecord * record,
                          Find(job, request.checkpoint()));
  v1::Part part = request.part();
  part.set_rank(request.rank());
  auto& parts = *record->mutable_parts();
  const auto at = std::lower_bound(
      parts.begin(), parts.end(), part.rank(),
      [](const v1::Part& a, int rank) { return a.rank() < rank; });
  if (at != parts.end() && at->rank() == part.rank()) {
    if (!google::protobuf::util::MessageDifferencer::Equals(*at, part)) {
      return absl::InvalidArgumentError(
          absl::StrCat("rank ", part.rank(), " has reported another part of ",
                       request.checkpoint()));
    }
  } else {
    const auto index = at - parts.begin();
    *parts.Add() = std::move(part);
    std::rotate(parts.begin() + index, parts.end() - 1, parts.end());
    SaveCheckpoint(*record, change.effects);
  }
  v1::ReportPartResponse response;
  if (IsComplete(job, *record)) {
    *response.mutable_parts() = record->parts();
    response.set_complete(true);
  }
  return response;
}

absl::Status CommitCheckpoint(Change change, Job& job,
                              const v1::CommitCheckpointRequest& request) {
  AUTOTP_ASSIGN_OR_RETURN(v1::CheckpointRecord * record,
                          Find(job, request.checkpoint()));
  v1::Checkpoint& checkpoint = *record->mutable_checkpoint();
  if (checkpoint.state() == v1::Checkpoint::STATE_COMMITTED) {
    // The reply was lost, and the call came again.
    if (checkpoint.manifest_digest() == request.manifest_digest()) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(
        absl::StrCat(checkpoint.name(), " is committed with another manifest"));
  }
  if (!IsComplete(job, *record)) {
    return absl::FailedPreconditionError(
        absl::StrCat(checkpoint.name(), " has ", record->parts_size(), " of ",
                     job.record.ranks_size(), " parts"));
  }
  AUTOTP_RETURN_IF_ERROR(RequireNewer(job, checkpoint.step()));
  checkpoint.set_state(v1::Checkpoint::STATE_COMMITTED);
  checkpoint.set_manifest_digest(request.manifest_digest());
  checkpoint.set_size_bytes(request.size_bytes());
  *checkpoint.mutable_commit_time() = ToTimestamp(change.now);
  SaveCheckpoint(*record, change.effects);
  job.record.set_committed_step(checkpoint.step());
  job.status().set_latest_checkpoint(checkpoint.name());
  AddEvent(change.state, job,
           absl::StrFormat("checkpoint %d committed: %d parts, %.1f MB",
                           checkpoint.step(), record->parts_size(),
                           checkpoint.size_bytes() / 1e6),
           change.now, change.effects);
  SaveJob(job, change.now, change.effects);
  RemoveOld(change, job);
  return absl::OkStatus();
}

void AbortCheckpoints(Change change, Job& job) {
  for (auto& [key, record] : job.checkpoints) {
    if (record.checkpoint().state() != v1::Checkpoint::STATE_WRITING) continue;
    record.mutable_checkpoint()->set_state(v1::Checkpoint::STATE_ABORTED);
    SaveCheckpoint(record, change.effects);
  }
}

void RemoveAborted(Change change, Job& job) {
  for (const auto& [key, record] : job.checkpoints) {
    if (record.checkpoint().state() == v1::Checkpoint::STATE_ABORTED) {
      change.effects.removable_folders.push_back(record.checkpoint().path());
    }
  }
}

const v1::CheckpointRecord* NewestCommitted(const Job& job) {
  for (auto it = job.checkpoints.rbegin(); it != job.checkpoints.rend(); ++it) {
    if (it->second.checkpoint().state() == v1::Checkpoint::STATE_COMMITTED) {
      return &it->second;
    }
  }
  return nullptr;
}

std::string ManifestPath(const std::string& folder) {
  return absl::StrCat(folder, "/MANIFEST.json");
}

ResumePoint ChooseResumePoint(const State& state,
                              const std::vector<FoundCheckpoint>& found) {
  std::map<std::string, v1::Checkpoint::State> known;
  for (const auto& [name, job] : state.jobs) {
    for (const auto& [key, record] : job.checkpoints) {
      known[Normal(record.checkpoint().path())] = record.checkpoint().state();
    }
  }
  // Found before they were removed, by a job that was being planned meanwhile.
  for (const std::string& folder : state.removed_folders) {
    known[folder] = v1::Checkpoint::STATE_ABORTED;
  }
  ResumePoint best;
  best.reason = "no committed checkpoint under the output folder";
  const FoundCheckpoint* newest = nullptr;
  for (const FoundCheckpoint& candidate : found) {
    const auto record = known.find(Normal(candidate.path));
    if (record != known.end() &&
        record->second != v1::Checkpoint::STATE_COMMITTED) {
      continue;
    }
    if (newest == nullptr || candidate.step >= newest->step) {
      newest = &candidate;
    }
  }
  if (newest != nullptr) {
    best.manifest = ManifestPath(newest->path);
    best.step = newest->step;
    best.reason = absl::StrCat(
        "the checkpoint of step ", newest->step, " in ", newest->path,
        known.contains(Normal(newest->path))
            ? ""
            : ", which is not in this coordinator's records");
  }
  return best;
}

}  // namespace autotp::core
