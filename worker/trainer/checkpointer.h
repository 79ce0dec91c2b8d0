// checkpointer.h -- saves a rank's state while training goes on.
//
// Flow: step_loop.h -> Save() copies what this rank owns -> a background
// thread: BeginCheckpoint, WritePart, ReportPart; on rank 0 also the manifest
// and CommitCheckpoint.
//
// At most one checkpoint is under way: Save() waits for the one before.
// Threading: one caller; the thread touches only its copy and the host.
#ifndef AUTOTP_WORKER_TRAINER_CHECKPOINTER_H_
#define AUTOTP_WORKER_TRAINER_CHECKPOINTER_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/checkpoint.pb.h"
#include "worker/checkpoint/part.h"
#include "worker/trainer/groups.h"
#include "worker/trainer/model_state.h"
#include "worker/trainer/train.h"
#include "worker/zero/flat_state.h"

namespace autotp::trainer {

// The manifest without its parts and position: what the ranks of the
// tensor-parallel group know together. A collective call of that group.
absl::StatusOr<v1::Manifest> MakeManifest(const v1::TrainerTask& task,
                                          collective::Communicator* tensor);

class Checkpointer {
 public:
  // All arguments outlive it.
  Checkpointer(const v1::TrainerTask& task, TrainerHost& host,
               zero::FlatState& state, v1::Manifest manifest);
  ~Checkpointer();  // waits for the thread

  enum class Source {
    kCopy,  // training goes on at once
    kLive,  // nothing changes the state until Finish(): no copy is made
  };
  // Error: the checkpoint before failed. The state is copied on return.
  absl::Status Save(const Position& position, Source source);
  // The error of a checkpoint that has ended; OK while one is under way.
  absl::Status Poll();
  // Waits for the one under way. On rank 0 OK means: committed.
  absl::Status Finish();

  int64_t saved_step() const { return saved_step_; }  // -1: none
  // Of the newest committed checkpoint (rank 0, after Finish).
  const std::string& manifest_path() const { return manifest_path_; }

 private:
  absl::Status Write(const Position& position,
                     const std::vector<checkpoint::Piece>& pieces);
  absl::Status Commit(const Position& position, const std::string& checkpoint,
                      const std::string& folder, v1::ReportPartRequest report);

  const v1::TrainerTask& task_;
  TrainerHost& host_;
  zero::FlatState& state_;
  const v1::Manifest manifest_;

  std::thread thread_;
  std::atomic<bool> ended_{false};
  absl::Status status_;  // the thread's, until joined; then the outcome
  std::vector<float> copy_;
  int64_t saved_step_ = -1;
  std::string manifest_path_;
};

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_CHECKPOINTER_H_
