// checkpoints.h -- the two-phase commit, from the coordinator's side.
//
//   BeginCheckpoint -> record WRITING, a folder that no other era shares
//   ReportPart      -> each rank's file; all of them make the manifest
//   Commit          -> record COMMITTED: only that makes the checkpoint real
//
// Every record is tied to its attempt and group epoch. The committed step of
// a job always grows. What an ended attempt left is ABORTED, never committed.
#ifndef AUTOTP_COORDINATOR_CORE_CHECKPOINTS_H_
#define AUTOTP_COORDINATOR_CORE_CHECKPOINTS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/worker_service.pb.h"
#include "coordinator/core/attempts.h"
#include "coordinator/core/effects.h"
#include "coordinator/core/state.h"

namespace autotp::core {

// The callers have passed the fence; it names the era.
//   INVALID_ARGUMENT     the step is not a step of the job
//   FAILED_PRECONDITION  a step as new is committed already
absl::StatusOr<v1::BeginCheckpointResponse> BeginCheckpoint(
    Change change, Job& job, const v1::BeginCheckpointRequest& request);

//   NOT_FOUND            no such checkpoint in this era
//   INVALID_ARGUMENT     the rank has reported another file before
absl::StatusOr<v1::ReportPartResponse> ReportPart(
    Change change, Job& job, const v1::ReportPartRequest& request);

//   NOT_FOUND            no such checkpoint in this era
//   FAILED_PRECONDITION  parts are missing, or a step as new is committed
absl::Status CommitCheckpoint(Change change, Job& job,
                              const v1::CommitCheckpointRequest& request);

// The attempt is over: what is being written will never be committed.
void AbortCheckpoints(Change change, Job& job);
// Forgets aborted folders of a job that has ended; the engine removes them.
void RemoveAborted(Change change, Job& job);

const v1::CheckpointRecord* NewestCommitted(const Job& job);  // null: none
std::string ManifestPath(const std::string& folder);

// A checkpoint folder found on disk, with a whole manifest.
struct FoundCheckpoint {
  std::string path;  // folder
  int64_t step = 0;
};

struct ResumePoint {
  std::string manifest;  // empty: from the beginning
  int64_t step = 0;
  std::string reason;  // one line for people
};

// The newest folder that is not known to be uncommitted. A folder that this
// coordinator has no record of (a new state directory) counts by its
// manifest, which is written last.
ResumePoint ChooseResumePoint(const State& state,
                              const std::vector<FoundCheckpoint>& found);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_CHECKPOINTS_H_
