// state.h -- everything that the coordinator knows.
//
// Durable parts are the records themselves (autotp/v1/record.proto), so that
// what is in memory and what is on disk cannot differ in kind. The rest is
// rebuilt after a restart from what workers say.
//
// Threading: plain data; the engine thread owns it.
#ifndef AUTOTP_COORDINATOR_CORE_STATE_H_
#define AUTOTP_COORDINATOR_CORE_STATE_H_

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "autotp/v1/job.pb.h"
#include "autotp/v1/planned_job.pb.h"
#include "autotp/v1/record.pb.h"
#include "coordinator/core/policy.h"

namespace autotp::core {

// One worker name. Survives its processes: a new one takes the name over.
struct Worker {
  enum class State {
    kExpected,  // known from records only, after a coordinator restart
    kReady,
    kLost,
  };
  std::string name;
  State state = State::kExpected;
  std::string incarnation;
  std::string host;
  std::string data_address;
  std::string device;
  int32_t slots = 0;
  int64_t memory_bytes = 0;
  std::string version;
  absl::Time last_heartbeat;
  absl::Time lease_deadline;
  int64_t generation = 0;  // of its assignment
  // Earlier processes of this name; they may not come back.
  std::deque<std::string> retired_incarnations;
};

// A checkpoint folder is used by one era only.
struct CheckpointKey {
  int64_t step = 0;
  int32_t attempt = 0;
  int64_t group_epoch = 0;
  auto operator<=>(const CheckpointKey&) const = default;
};

struct Job {
  // Durable.
  v1::JobRecord record;
  std::shared_ptr<const v1::PlannedJob> plan;  // none once the job has ended
  v1::Plan shown_plan;                         // for GetJob
  std::map<CheckpointKey, v1::CheckpointRecord> checkpoints;
  std::deque<v1::JobEvent> events;  // the newest

  // Memory.
  absl::Time deadline = absl::InfiniteFuture();  // of STARTING, CANCELLING
  absl::Time last_progress_time = absl::InfiniteFuture();
  double step_seconds = 0;  // smoothed; 0: no step seen yet
  // When record.pending_failure is believed.
  absl::Time blame_deadline = absl::InfiniteFuture();
  bool forms_again = false;  // the keys of its groups died with a coordinator
  std::map<std::string, std::string> keys;  // rendezvous of the attempt

  const std::string& name() const { return record.job().name(); }
  v1::JobState state() const { return record.job().status().state(); }
  v1::JobStatus& status() { return *record.mutable_job()->mutable_status(); }
  const v1::JobStatus& status() const { return record.job().status(); }
  const v1::JobSpec& spec() const { return record.job().spec(); }
};

struct State {
  Policy policy;
  std::string cluster_uid;
  int64_t epoch = 0;  // of this coordinator
  std::map<std::string, Worker> workers;
  std::map<std::string, Job> jobs;
  std::map<std::string, std::string> requests;  // request_id -> job name
  std::deque<std::string> removed_folders;  // the newest: nobody resumes there
};

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_STATE_H_
