// cluster.h -- a coordinator and a worker of this build, as real processes on
// this host, for tests that train.
#ifndef AUTOTP_TESTS_SUPPORT_CLUSTER_H_
#define AUTOTP_TESTS_SUPPORT_CLUSTER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "autotp/v1/checkpoint_service.grpc.pb.h"
#include "autotp/v1/job_service.grpc.pb.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace autotp::testing {

// How a job ended, with all its steps.
struct JobOutcome {
  v1::Job job;
  std::vector<v1::StepMetrics> steps;
};

class Cluster {
 public:
  // Both processes are started; `slots` trainers can run at a time.
  explicit Cluster(int slots);

  // Creates the job and waits for its end, up to `timeout`. An invalid job is
  // an error with every diagnostic in its message.
  absl::StatusOr<JobOutcome> Run(const v1::JobSpec& spec,
                                 absl::Duration timeout);
  absl::StatusOr<v1::Job> Create(const v1::JobSpec& spec);
  absl::StatusOr<JobOutcome> WaitForEnd(const std::string& job,
                                        absl::Duration timeout);

  v1::JobService::Stub& jobs() { return *jobs_; }
  v1::CheckpointService::Stub& checkpoints() { return *checkpoints_; }
  Subprocess& coordinator() { return *coordinator_; }
  Subprocess& worker() { return *worker_; }
  // A new folder below the cluster's own.
  std::string NewFolder(const std::string& name);
  std::string address() const { return address_; }
  // Starts the coordinator again on the same state, after it was killed.
  void RestartCoordinator();
  void RestartWorker();
  // What the processes have logged, for failure messages.
  std::string Logs() const;

 private:
  const int slots_;
  TempDir folder_;
  std::string address_;
  std::unique_ptr<Subprocess> coordinator_;
  std::unique_ptr<Subprocess> worker_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::CheckpointService::Stub> checkpoints_;
};

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_CLUSTER_H_
