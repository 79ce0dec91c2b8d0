// fake_worker.h -- what a worker says to the coordinator, one call at a time,
// and a job for it to run.
#ifndef AUTOTP_TESTS_RPC_FAKE_WORKER_H_
#define AUTOTP_TESTS_RPC_FAKE_WORKER_H_

#include <string>

#include "tests/rpc/test_server.h"

namespace autotp::testing {

// `config`: what FakePlanner makes of it.
v1::CreateJobRequest JobRequest(const TestServer& server,
                                const std::string& job_id, int world_size,
                                const std::string& config = "{}");

class FakeWorker {
 public:
  using State = v1::ReportTrainerRequest::State;

  FakeWorker(TestServer& server, std::string name,
             std::string incarnation = "first");

  v1::RegisterWorkerRequest Registration(int slots) const;
  // The values to send from then on are kept.
  absl::Status Register(int slots);

  // The fence of what is said about `job` at its first attempt.
  v1::Fence FenceOf(const std::string& job, int attempt = 1) const;
  const v1::Fence& fence() const { return fence_; }

  absl::Status Heartbeat();
  absl::StatusOr<v1::Assignment> NextAssignment(int64_t after_generation);
  absl::Status Report(const std::string& job, int rank, State state,
                      int attempt = 1);
  // Steps `first` to `last`, as rank 0.
  absl::Status Progress(const std::string& job, int64_t first, int64_t last,
                        int attempt = 1);
  absl::Status UploadLog(const std::string& job, int rank, int64_t offset,
                         const std::string& data, int attempt = 1);

  // Creates the job, which must get all of its ranks here, and says that all
  // are ready.
  absl::Status RunJob(const std::string& job_id, int world_size,
                      const std::string& config = "{}", int max_restarts = 0);

 private:
  TestServer& server_;
  const std::string name_;
  const std::string incarnation_;
  v1::Fence fence_;
};

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_RPC_FAKE_WORKER_H_
