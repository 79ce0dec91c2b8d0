// groups.h -- this rank's process groups and the threads it may use.
//
// Flow: Train() -> FormGroups() -> step_loop.h, worker/zero, worker/runtime.
#ifndef AUTOTP_WORKER_TRAINER_GROUPS_H_
#define AUTOTP_WORKER_TRAINER_GROUPS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "worker/collective/communicator.h"
#include "worker/collective/traffic.h"
#include "worker/trainer/train.h"

namespace autotp::trainer {

struct Groups {
  // What tensor and data have sent; its place stays when the groups move.
  std::unique_ptr<collective::Traffic> traffic =
      std::make_unique<collective::Traffic>();
  std::unique_ptr<collective::Communicator> tensor;
  std::unique_ptr<collective::Communicator> data;
  std::unique_ptr<collective::Communicator> world;

  // Ends what the peers wait for. Idempotent.
  void Abort(const std::string& reason);
  // Null for a group of one, where there is nothing to exchange.
  collective::Communicator* tensor_or_null() const;
  collective::Communicator* data_or_null() const;
};

// INVALID_ARGUMENT: the task lacks one of "tp", "dp", "world"; else the
// factory's codes.
absl::StatusOr<Groups> FormGroups(const v1::TrainerTask& task,
                                  TrainerHost& host);

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_GROUPS_H_
