// faults.h -- what goes wrong, and how often, in one simulation.
//
// Each seed draws its own mixture, some kinds left out: what is rare beside
// everything else happens often in some runs.
#ifndef AUTOTP_TESTS_SIM_FAULTS_H_
#define AUTOTP_TESTS_SIM_FAULTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/sim/network.h"
#include "tests/sim/world.h"

namespace autotp::sim {

enum class Fault {
  kKillTrainer,
  kHangGang,
  kKillWorker,
  kZombieWorker,  // a successor starts beside it
  kLeave,         // a worker says goodbye and comes back
  kSilence,       // a worker cannot be heard, shorter or longer than its lease
  kCrash,         // of the coordinator
  kCrashUnwritten,
  kCancel,
  kTrigger,
};
std::string FaultName(Fault fault);
const std::vector<Fault>& AllFaults();

struct FaultMixture {
  std::vector<Fault> kinds;  // drawn from evenly
  absl::Duration interval;   // between faults, on average
  NetworkFaults network;
};
FaultMixture DrawMixture(Chance& chance);

using FaultCounts = std::map<Fault, int64_t>;

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_FAULTS_H_
