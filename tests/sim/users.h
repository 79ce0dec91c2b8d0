// users.h -- those who submit jobs, cancel them, ask for checkpoints; over a
// network that makes them say it again.
#ifndef AUTOTP_TESTS_SIM_USERS_H_
#define AUTOTP_TESTS_SIM_USERS_H_

#include <map>
#include <string>
#include <vector>

#include "coordinator/core/core.h"
#include "tests/sim/network.h"
#include "tests/sim/world.h"

namespace autotp::sim {

class Users {
 public:
  Users(World& world, Network& network) : world_(world), network_(network) {}

  // Plans this many submissions within the time.
  void SubmitJobs(int count, absl::Duration within);
  void CancelOne();
  void TriggerOne();

  // Every submission was acknowledged.
  bool all_created() const { return created_.size() == submissions_.size(); }
  const std::map<std::string, std::string>& created() const { return created_; }

 private:
  core::Submission DrawJob(int number);
  void Submit(core::Submission submission);
  void OnCreated(const core::Submission& submission,
                 const absl::StatusOr<v1::Job>& answer);

  World& world_;
  Network& network_;
  Link link_;
  int num_uids_ = 0;
  std::vector<core::Submission> submissions_;
  std::map<std::string, std::string> created_;  // request_id -> job
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_USERS_H_
