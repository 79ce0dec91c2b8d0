// gang.h -- the trainers of one attempt, and what they have in common without
// the coordinator: their collectives.
//
// Forms by rendezvous keys, steps in lockstep, breaks when a member is dead,
// saves by the two-phase commit while it trains on. It does not know whether
// the coordinator still believes in it: that is what makes zombies.
#ifndef AUTOTP_TESTS_SIM_GANG_H_
#define AUTOTP_TESTS_SIM_GANG_H_

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/worker_service.pb.h"
#include "tests/sim/session.h"
#include "tests/sim/world.h"

namespace autotp::sim {

// What a trainer needs of its host.
class Host {
 public:
  virtual ~Host() = default;
  virtual Session& session() = 0;
  virtual void Report(const AttemptKey& attempt,
                      v1::ReportTrainerRequest report) = 0;
  virtual void Report(const AttemptKey& attempt,
                      v1::ReportProgressRequest report) = 0;
  virtual void OnTrainerGone() = 0;  // its slot is free
};

struct Trainer {
  Host* host = nullptr;
  int rank = 0;
  int slot = 0;
  bool live = true;
  bool ending = false;  // told to end, not yet gone
  bool joined = false;
  bool saving = false;
  std::deque<int64_t> saves;  // steps to save
};

class Gang {
 public:
  Gang(World& world, AttemptKey key, const v1::TrainerTask& task);

  const AttemptKey& key() const { return key_; }
  // Forks the trainer of this task.
  Trainer* Start(Host& host, const v1::TrainerTask& task);
  void Order(const v1::JobOrder& order);
  void Hang() { hung_ = true; }  // its collectives never end
  // The process dies. `reason`: what its host reports; unspecified: nothing.
  void End(Trainer& trainer, v1::FailureReason reason, const char* words);
  bool is_training() const { return step_ < max_steps_ && !broken_; }

 private:
  void SetKey(Trainer& trainer);
  void FindKeys(Trainer& trainer, int next, absl::Time deadline);
  void Join(Trainer& trainer);
  void StepLater();
  void Step();
  void Break();
  void SaveNext(Trainer& trainer);
  void ReportPart(Trainer& trainer, const v1::BeginCheckpointResponse& begun);
  void Commit(Trainer& trainer, const v1::BeginCheckpointResponse& begun);
  void Finish(Trainer& trainer);
  template <typename Request, typename Done>
  void Call(Trainer& trainer, Request request, Done done);

  World& world_;
  const AttemptKey key_;
  const int world_size_;
  const int64_t max_steps_;
  const int64_t save_every_;
  const std::string output_;
  int64_t step_ = 0;
  bool broken_ = false;
  bool hung_ = false;
  bool stop_ = false;        // after the next step
  int64_t asked_saves_ = 0;  // TriggerCheckpoint, as ordered
  int64_t made_saves_ = 0;
  bool finishing_ = false;
  std::map<int, std::unique_ptr<Trainer>> trainers_;
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_GANG_H_
