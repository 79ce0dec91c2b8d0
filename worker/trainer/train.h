// train.h -- one rank of one attempt, from its task to its last step.
//
// Flow: trainer process (process.cc) -> Train() -> weights, groups, steps,
// checkpoints, export -> TrainResult.
#ifndef AUTOTP_WORKER_TRAINER_TRAIN_H_
#define AUTOTP_WORKER_TRAINER_TRAIN_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/job.pb.h"
#include "autotp/v1/plan.pb.h"
#include "autotp/v1/worker_service.pb.h"
#include "worker/collective/factory.h"

namespace autotp::trainer {

// What has been wished so far; only ever grows within an attempt.
struct Wishes {
  bool stop_after_step = false;
  int64_t checkpoint_request = 0;
};

// The world around a training loop: the agent's socket in a trainer process,
// a fake in tests. Thread-safe: the checkpoint writer calls from its own
// thread.
class TrainerHost {
 public:
  virtual ~TrainerHost() = default;

  virtual collective::KeyStore& keys() = 0;
  // Descriptor of the shared-memory segment of a group; -1: none came.
  virtual int SharedMemory(const std::string& group_key) = 0;
  virtual Wishes PollWishes() = 0;  // does not block
  // Where peers on other hosts reach this one (Gloo).
  virtual std::string DataAddress() const { return "127.0.0.1"; }
  // This rank's share of the host's processors: its slot's.
  virtual int Threads() const { return 1; }

  virtual void ReportReady(int64_t first_step) = 0;
  virtual void ReportStep(const v1::StepMetrics& metrics) = 0;  // rank 0

  // The three calls of a checkpoint; each blocks up to a deadline.
  virtual absl::StatusOr<v1::BeginCheckpointResponse> BeginCheckpoint(
      int64_t step) = 0;
  virtual absl::StatusOr<v1::ReportPartResponse> ReportPart(
      const v1::ReportPartRequest& request) = 0;
  virtual absl::Status CommitCheckpoint(
      const v1::CommitCheckpointRequest& request) = 0;
};

// What a plan estimates, of this rank.
struct Measured {
  v1::Estimate held;                     // bytes, activations aside
  std::vector<v1::CollectivePlan> sent;  // in the first step
};

struct TrainResult {
  bool stopped_early = false;  // by a wish; a checkpoint was saved
  int64_t step = 0;
  std::string model_path;  // rank 0, when all steps are done
  Measured measured;
};

absl::StatusOr<TrainResult> Train(const v1::TrainerTask& task,
                                  TrainerHost& host);

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_TRAIN_H_
