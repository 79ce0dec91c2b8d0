// fake_worker.h -- one worker process: makes what runs be what is assigned,
// as worker/agent does, and tells how its trainers fare.
//
// Its reports go up in order, one at a time for each attempt, each until it is
// answered. Dies with its trainers, or lives on as a zombie beside its
// successor until the coordinator refuses it.
#ifndef AUTOTP_TESTS_SIM_FAKE_WORKER_H_
#define AUTOTP_TESTS_SIM_FAKE_WORKER_H_

#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "tests/sim/gang.h"
#include "tests/sim/session.h"
#include "tests/sim/world.h"

namespace autotp::sim {

// The gangs of all attempts; a gang outlives the workers that it was on.
using Gangs = std::map<AttemptKey, std::unique_ptr<Gang>>;

class FakeWorker final : public Host {
 public:
  FakeWorker(World& world, Network& network, Gangs& gangs,
             SessionOptions options);

  void Start() { session_.Start(); }
  void Kill();   // the process and all of its trainers are gone
  void Leave();  // says goodbye first
  bool is_alive() const { return !session_.stopped(); }
  std::vector<std::pair<Gang*, Trainer*>> LiveTrainers() const;

  Session& session() override { return session_; }
  void Report(const AttemptKey& attempt,
              v1::ReportTrainerRequest report) override;
  void Report(const AttemptKey& attempt,
              v1::ReportProgressRequest report) override;
  void OnTrainerGone() override;

 private:
  using AnyReport =
      std::variant<v1::ReportTrainerRequest, v1::ReportProgressRequest>;
  struct Attempt {
    Gang* gang = nullptr;
    std::map<int, Trainer*> trainers;  // ended ones too: none starts again
    std::deque<AnyReport> outbox;
    bool is_out = false;  // the oldest report was sent
    bool fenced = false;
  };

  void Reconcile();
  void StartTask(const v1::TrainerTask& task);
  void EndSoon(Gang& gang, Trainer& trainer);
  bool IsHeld(int slot) const;
  void Add(const AttemptKey& key, AnyReport report);
  void Pump(const AttemptKey& key);
  void OnAnswer(const AttemptKey& key, const absl::Status& status);

  World& world_;
  Gangs& gangs_;
  Session session_;
  v1::Assignment desired_;
  std::map<AttemptKey, Attempt> attempts_;
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_FAKE_WORKER_H_
