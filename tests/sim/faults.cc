#include "tests/sim/faults.h"

namespace autotp::sim {

std::string FaultName(Fault fault) {
  switch (fault) {
    case Fault::kKillTrainer:
      return "kill trainer";
    case Fault::kHangGang:
      return "hang gang";
    case Fault::kKillWorker:
      return "kill worker";
    case Fault::kZombieWorker:
      return "zombie worker";
    case Fault::kLeave:
      return "leave";
    case Fault::kSilence:
      return "silence";
    case Fault::kCrash:
      return "crash";
    case Fault::kCrashUnwritten:
      return "crash unwritten";
    case Fault::kCancel:
      return "cancel";
    case Fault::kTrigger:
      return "trigger";
  }
  return "unknown";
}

const std::vector<Fault>& AllFaults() {
  static const auto& all = *new std::vector<Fault>{
      Fault::kKillTrainer,  Fault::kHangGang,       Fault::kKillWorker,
      Fault::kZombieWorker, Fault::kLeave,          Fault::kSilence,
      Fault::kCrash,        Fault::kCrashUnwritten, Fault::kCancel,
      Fault::kTrigger};
  return all;
}

FaultMixture DrawMixture(Chance& chance) {
  FaultMixture mixture;
  for (const Fault fault : AllFaults()) {
    if (!chance.OneIn(3)) mixture.kinds.push_back(fault);
  }
  mixture.interval = absl::Seconds(chance.Between(1, 12));
  mixture.network.lost = chance.OneIn(2) ? 0 : 30;
  mixture.network.doubled = chance.OneIn(3) ? 0 : 12;
  mixture.network.late = chance.OneIn(2) ? 0 : 40;
  if (mixture.kinds.empty()) mixture.kinds.push_back(Fault::kCancel);
  return mixture;
}

}  // namespace autotp::sim
