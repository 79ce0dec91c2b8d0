// effects.h -- what a decision wants done: data, no calls.
//
// The order matters and the engine keeps it: `writes` become durable in one
// transaction; only then are watchers woken, replies sent, folders removed.
#ifndef AUTOTP_COORDINATOR_CORE_EFFECTS_H_
#define AUTOTP_COORDINATOR_CORE_EFFECTS_H_

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace autotp::core {

// Kinds of durable records; the numbers are on disk.
enum class Table {
  kJobs = 1,         // job name -> v1::JobRecord
  kPlans = 2,        // job name -> v1::PlannedJob
  kCheckpoints = 3,  // job name, step, attempt, epoch -> v1::CheckpointRecord
  kEvents = 4,       // job name, sequence -> v1::JobEvent
};

struct Write {
  Table table;
  std::string key;
  std::optional<std::string> value;  // none: erase
};

// A record as the store gives it back.
struct Row {
  Table table;
  std::string key;
  std::string value;
};

struct Effects {
  std::vector<Write> writes;
  std::set<std::string> jobs;     // changed: names, for watchers
  std::set<std::string> workers;  // whose assignment has changed
  std::set<std::string> keys;     // jobs that have new rendezvous keys
  std::vector<std::string> removable_folders;
  std::vector<std::string> log_lines;
};

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_EFFECTS_H_
