// cluster.h -- a core with a clock, a store that is a map, and the few words
// by which tests make workers and users speak to it.
#ifndef AUTOTP_TESTS_UNIT_COORDINATOR_CORE_CLUSTER_H_
#define AUTOTP_TESTS_UNIT_COORDINATOR_CORE_CLUSTER_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/core/core.h"

namespace autotp::core {

struct JobOptions {
  int world_size = 1;
  int tensor_parallel_size = 1;
  int max_restarts = 0;
  int keep_latest = 0;
  bool resume = false;
  double target_loss = 0;
  int64_t evaluate_every = -1;  // none
  std::string request_id;
  std::vector<FoundCheckpoint> found;
};

class Cluster {
 public:
  explicit Cluster(const Policy& policy = Policy());

  // What was decided is kept in `effects` (the last one) and in the rows.
  template <typename Request>
  auto Apply(const Request& request) {
    effects = Effects();
    if constexpr (std::is_same_v<Request, Tick>) {
      core->Apply(now, request, effects);
      Store();
    } else {
      auto answer = core->Apply(now, request, effects);
      Store();
      return answer;
    }
  }

  // A second goes by after the other, and all workers but the silent ones
  // are heard.
  void Pass(absl::Duration time);
  // Another coordinator reads the rows.
  absl::Status Restart();

  absl::StatusOr<v1::RegisterWorkerResponse> Register(
      const std::string& worker, int slots,
      const std::string& incarnation = "i1", const std::string& device = "cpu");
  static Submission MakeJob(const std::string& id, const JobOptions& options);
  absl::StatusOr<v1::Job> Submit(const std::string& id,
                                 const JobOptions& options = {});
  absl::StatusOr<v1::Job> Cancel(
      const std::string& id,
      v1::CancelJobRequest::Mode mode = v1::CancelJobRequest::MODE_CHECKPOINT);

  const Job& job(const std::string& id) const;
  v1::JobState state(const std::string& id) const { return job(id).state(); }
  const std::string& reason(const std::string& id) const {
    return job(id).status().state_message();
  }
  // As the worker speaks now; and of the job's attempt as it is now.
  v1::Fence FenceOf(const std::string& worker) const;
  v1::Fence FenceOf(const std::string& worker, const std::string& id) const;

  // Reports of the rank's own worker.
  using Report = v1::ReportTrainerRequest;
  absl::Status Say(const std::string& id, int rank, Report::State state);
  absl::Status Fail(const std::string& id, int rank, v1::FailureReason reason,
                    const std::string& message = "");
  void SayAll(const std::string& id, Report::State state);
  absl::Status Step(const std::string& id, int64_t step);

  absl::StatusOr<v1::BeginCheckpointResponse> Begin(const std::string& id,
                                                    int64_t step);
  absl::StatusOr<v1::ReportPartResponse> AddPart(const std::string& id,
                                                 int64_t step, int rank,
                                                 int64_t size_bytes = 100);
  absl::Status Commit(const std::string& id, int64_t step,
                      const std::string& digest = "d");
  // All of it.
  absl::Status Save(const std::string& id, int64_t step);

  absl::Time now = absl::FromUnixSeconds(1'000'000);
  Policy policy;
  std::optional<Core> core;
  Effects effects;
  std::map<std::pair<Table, std::string>, std::string> rows;
  std::set<std::string> silent;  // workers

 private:
  void Store();
  int64_t epoch_ = 0;
};

}  // namespace autotp::core

#endif  // AUTOTP_TESTS_UNIT_COORDINATOR_CORE_CLUSTER_H_
