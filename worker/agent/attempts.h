// attempts.h -- what is known of the attempts that run on this host.
//
// Flow: supervisor.h makes, changes and forgets them; reconcile.h, heartbeats
// and reports get their views from here.
//
// Threading: loop thread only.
#ifndef AUTOTP_WORKER_AGENT_ATTEMPTS_H_
#define AUTOTP_WORKER_AGENT_ATTEMPTS_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "autotp/v1/job.pb.h"
#include "autotp/v1/worker_service.pb.h"
#include "worker/agent/attempt_key.h"
#include "worker/agent/blame.h"
#include "worker/agent/log_upload.h"
#include "worker/agent/reconcile.h"
#include "worker/agent/reporter.h"
#include "worker/agent/trainer_link.h"

namespace autotp::agent {

struct Trainer {
  AttemptKey attempt;
  int rank = 0;
  int slot = 0;
  int64_t fork_id = 0;
  pid_t pid = 0;  // 0: not forked yet
  bool live = false;
  bool ending = false;    // we end it; its death is no failure
  bool said_end = false;  // FINISHED or STOPPED was reported
  bool ordered = false;   // its end is ordered: STOPPED is due
  absl::Time start_time;
  int64_t step = 0;
  SentOrder sent;
  std::optional<v1::Failure> last_words;
  std::shared_ptr<LogUpload> log;  // none: it could not be opened
  std::unique_ptr<TrainerLink> link;
};

struct Attempt {
  AttemptKey key;
  std::map<int, std::shared_ptr<Trainer>> trainers;  // by rank
  std::map<std::string, UniqueFd> memory;            // by group key
  std::shared_ptr<Reporter> reporter;
  Blame blame;
  bool broken = false;

  // The last step that is known: only rank 0 tells of its steps.
  int64_t step() const;
  bool live() const;
  // No report and no line of a log waits.
  bool drained() const;
};

class Attempts {
 public:
  using Map = std::map<AttemptKey, std::unique_ptr<Attempt>>;
  Map::iterator begin() { return map_.begin(); }
  Map::iterator end() { return map_.end(); }
  Map::iterator erase(Map::iterator entry) { return map_.erase(entry); }

  // Null: there is none.
  Attempt* Find(const AttemptKey& key) const;
  Trainer* Find(const AttemptKey& key, int rank) const;
  // Of those that live.
  Trainer* FindFork(int64_t fork_id) const;
  Trainer* FindProcess(pid_t pid) const;
  Attempt& at(const AttemptKey& key) const { return *map_.at(key); }
  // REQUIRES: there is none of that key.
  Attempt& Add(const AttemptKey& key);

  std::vector<TrainerView> Views() const;
  std::vector<AttemptKey> Broken() const;
  // Live trainers, and those whose last report is not delivered yet.
  std::vector<v1::RunningTrainer> Running() const;
  bool drained() const;

 private:
  Trainer* FindLive(absl::FunctionRef<bool(const Trainer&)> is_it) const;

  Map map_;
};

// How a process ended.
struct TrainerEnd {
  int exit_code = 0;
  int signal = 0;
  std::string how;  // for people
};

// The report of a death: its last words, or else how it died, with the last
// lines of its log.
v1::Failure FailureOf(const Attempt& attempt, const Trainer& trainer,
                      const TrainerEnd& end, int log_lines_max, absl::Time now);

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_ATTEMPTS_H_
