// simulator.h -- one seed, one run: a cluster, its users, and what goes wrong.
//
// Faults stop after a while. Then every job must end, or be one that fits on
// no worker and says that it waits for slots.
#ifndef AUTOTP_TESTS_SIM_SIMULATOR_H_
#define AUTOTP_TESTS_SIM_SIMULATOR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autotp/v1/job.pb.h"
#include "tests/sim/coordinator.h"
#include "tests/sim/fake_worker.h"
#include "tests/sim/faults.h"
#include "tests/sim/network.h"
#include "tests/sim/users.h"
#include "tests/sim/world.h"

namespace autotp::sim {

struct Outcome {
  std::string failure;  // empty: all is well; else with the end of the trace
  FaultCounts faults;
  std::map<v1::JobState, int64_t> ends;  // how many jobs ended so
  int64_t attempts = 0;
  int64_t commits = 0;
  int64_t epochs = 0;  // coordinators
};

class Simulator {
 public:
  explicit Simulator(uint64_t seed);
  Outcome Run();

 private:
  // A host, and the process on it that is the newest.
  struct Site {
    SessionOptions options;
    FakeWorker* worker = nullptr;
    int num_processes = 0;
  };

  void AddWorker(Site& site);
  void RestartTheDead();
  void FaultLater();
  void Make(Fault fault);
  void StartCoordinatorLater();
  void Heal();
  bool IsSettled();
  bool Fits(const core::Job& job) const;
  void CheckRest();  // what must hold when all is over

  const uint64_t seed_;
  World world_;
  const FaultMixture mixture_;
  Coordinator coordinator_;
  Network network_;
  Users users_;
  Gangs gangs_;
  std::vector<std::unique_ptr<FakeWorker>> processes_;
  std::vector<Site> sites_;
  bool healing_ = false;
  FaultCounts faults_;
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_SIMULATOR_H_
