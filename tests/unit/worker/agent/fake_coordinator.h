// fake_coordinator.h -- the coordinator as a worker sees it, in the test's
// process: it hands out assignments, keeps what it is told, and can be
// stopped and started again on the same socket.
#ifndef AUTOTP_TESTS_UNIT_WORKER_AGENT_FAKE_COORDINATOR_H_
#define AUTOTP_TESTS_UNIT_WORKER_AGENT_FAKE_COORDINATOR_H_

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "autotp/v1/rendezvous_service.grpc.pb.h"
#include "autotp/v1/worker_service.grpc.pb.h"

namespace autotp::agent {

class FakeCoordinator {
 public:
  // Everything it was told; read it in Wait() or when nothing runs.
  struct Seen {
    std::vector<v1::RegisterWorkerRequest> registrations;
    std::vector<v1::StepMetrics> steps;
    std::vector<v1::ReportTrainerRequest> states;
    std::vector<std::string> order;  // "steps 3", "READY 0", "FAILED 1"
    std::vector<v1::CommitCheckpointRequest> commits;
    std::map<int, std::string> logs;  // by rank
    int num_heartbeats = 0;
    int num_deregistrations = 0;
  };

  explicit FakeCoordinator(std::string address);
  ~FakeCoordinator();

  void Start();  // with the next epoch
  void Stop();
  void Assign(const v1::Assignment& assignment);
  // Attempts below it get ABORTED from now on.
  void FenceBelow(int attempt);
  // Answers the next registrations with `status`.
  void Refuse(const grpc::Status& status);

  // Waits until `condition` holds of what was seen; false: 20 s have passed.
  bool Wait(const std::function<bool(const Seen&)>& condition);
  Seen seen();
  const std::string& address() const { return address_; }

 private:
  class Worker;
  class Rendezvous;

  const std::string address_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Rendezvous> rendezvous_;
  std::unique_ptr<grpc::Server> server_;

  std::mutex mutex_;
  std::condition_variable changed_;
  Seen seen_;  // the rest: guarded by mutex_
  v1::Assignment assignment_;
  std::map<std::string, std::string> keys_;
  std::map<int, v1::Part> parts_;
  grpc::Status refusal_;
  std::string incarnation_;
  int64_t epoch_ = 0;
  int attempt_min_ = 0;
  bool stopping_ = false;
};

}  // namespace autotp::agent

#endif  // AUTOTP_TESTS_UNIT_WORKER_AGENT_FAKE_COORDINATOR_H_
