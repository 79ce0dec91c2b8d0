#include "tests/sim/simulator.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/core/job_state.h"

namespace autotp::sim {
namespace {

constexpr absl::Duration kFaultyTime = absl::Seconds(120);
// After the last fault; every patience of the policy fits in often.
constexpr absl::Duration kQuietTime = absl::Minutes(30);

core::Policy SimPolicy() {
  core::Policy policy;
  policy.adopt_window = absl::Seconds(25);
  policy.start_timeout = absl::Seconds(60);
  policy.stop_timeout = absl::Seconds(40);
  policy.stuck_after = absl::Seconds(40);
  policy.events_max = 25;
  return policy;
}

}  // namespace

Simulator::Simulator(uint64_t seed)
    : seed_(seed),
      world_(seed),
      mixture_(DrawMixture(world_.chance)),
      coordinator_(world_, SimPolicy()),
      network_(world_, coordinator_, mixture_.network),
      users_(world_, network_) {
  coordinator_.on_assignment = [this](const std::string& name) {
    for (const auto& process : processes_) {
      if (process->session().options().worker == name) {
        process->session().Fetch();
      }
    }
  };
  const int64_t num_sites = world_.chance.Between(1, 4);
  const bool mixed = world_.chance.OneIn(4);
  for (int64_t i = 0; i < num_sites; ++i) {
    Site site;
    site.options.worker = absl::StrCat("w", i);
    site.options.device = mixed && world_.chance.OneIn(2) ? "cuda" : "cpu";
    site.options.slots = static_cast<int>(world_.chance.Between(1, 4));
    sites_.push_back(site);
  }
}

void Simulator::AddWorker(Site& site) {
  site.options.incarnation = absl::StrCat("i", ++site.num_processes);
  world_.Note(absl::StrCat("WORKER ", site.options.worker, "/",
                           site.options.incarnation, " starts"));
  processes_.push_back(
      std::make_unique<FakeWorker>(world_, network_, gangs_, site.options));
  site.worker = processes_.back().get();
  site.worker->Start();
}

void Simulator::RestartTheDead() {
  for (Site& site : sites_) {
    if (site.worker == nullptr || !site.worker->is_alive()) AddWorker(site);
  }
  world_.timeline.After(
      world_.chance.Between(absl::Seconds(1), absl::Seconds(20)),
      [this] { RestartTheDead(); });
}

void Simulator::StartCoordinatorLater() {
  world_.timeline.After(
      world_.chance.Between(absl::Milliseconds(100), absl::Seconds(40)),
      [this] {
        if (!coordinator_.up()) coordinator_.Start();
      });
}

void Simulator::FaultLater() {
  world_.timeline.After(
      world_.chance.Between(absl::ZeroDuration(), 2 * mixture_.interval),
      [this] {
        if (healing_) return;
        Make(world_.chance.Of(mixture_.kinds));
        FaultLater();
      });
}

void Simulator::Make(Fault fault) {
  ++faults_[fault];
  Site& site = sites_[static_cast<size_t>(
      world_.chance.Between(0, static_cast<int64_t>(sites_.size()) - 1))];
  FakeWorker& worker = *site.worker;
  const auto live = worker.LiveTrainers();
  world_.Note(
      absl::StrCat("FAULT ", FaultName(fault), " ", site.options.worker));
  switch (fault) {
    case Fault::kKillTrainer:
      if (live.empty()) return;
      live.back().first->End(*live.back().second,
                             v1::FAILURE_REASON_TRAINER_EXITED, "killed");
      return;
    case Fault::kHangGang:
      if (!live.empty()) live.front().first->Hang();
      return;
    case Fault::kKillWorker:
      return worker.Kill();
    case Fault::kZombieWorker:
      return AddWorker(site);
    case Fault::kLeave:
      return worker.Leave();
    case Fault::kSilence: {
      worker.session().link().cut = true;
      const absl::Duration silence =
          world_.chance.Between(absl::Seconds(1), absl::Seconds(25));
      world_.timeline.After(silence,
                            [&worker] { worker.session().link().cut = false; });
      return;
    }
    case Fault::kCrash:
      coordinator_.Crash();
      return StartCoordinatorLater();
    case Fault::kCrashUnwritten:
      coordinator_.CrashAtNextWrite();
      return;
    case Fault::kCancel:
      return users_.CancelOne();
    case Fault::kTrigger:
      return users_.TriggerOne();
  }
}

void Simulator::Heal() {
  world_.Note("FAULTS stop");
  healing_ = true;
  network_.Heal();
  for (const auto& process : processes_) process->session().link().cut = false;
}

bool Simulator::Fits(const core::Job& job) const {
  const int tp = job.shown_plan.tensor_parallel_size();
  for (const std::string device : {"cpu", "cuda"}) {
    int groups = 0;
    for (const Site& site : sites_) {
      if (site.options.device == device) groups += site.options.slots / tp;
    }
    if (groups * tp >= job.spec().world_size()) return true;
  }
  return false;
}

bool Simulator::IsSettled() {
  if (!coordinator_.up() || !users_.all_created()) return false;
  for (const auto& [name, job] : coordinator_.core().state().jobs) {
    if (core::IsTerminal(job.state())) continue;
    if (!core::IsWaiting(job.state()) || Fits(job)) return false;
  }
  return true;
}

void Simulator::CheckRest() {
  for (const auto& process : processes_) {
    for (const auto& [gang, trainer] : process->LiveTrainers()) {
      if (process->is_alive()) {
        world_.Violate(absl::StrCat("rank ", trainer->rank, " of ",
                                    gang->key().job, " outlives its job"));
      }
    }
  }
  for (const auto& [name, job] : coordinator_.core().state().jobs) {
    if (core::IsWaiting(job.state()) &&
        !job.status().state_message().starts_with("waiting for ")) {
      world_.Violate(absl::StrCat(
          name, " fits nowhere but only says: ", job.status().state_message()));
    }
  }
}

Outcome Simulator::Run() {
  coordinator_.Start();
  RestartTheDead();
  users_.SubmitJobs(static_cast<int>(world_.chance.Between(1, 7)),
                    absl::Seconds(60));
  FaultLater();
  const absl::Time begin = world_.timeline.now();
  absl::Time settled = absl::InfiniteFuture();
  while (world_.violation.empty() && world_.timeline.RunNext()) {
    const absl::Time now = world_.timeline.now();
    if (!coordinator_.up() && healing_) coordinator_.Start();
    if (!healing_ && now > begin + kFaultyTime) Heal();
    if (!healing_) continue;
    if (now > begin + kFaultyTime + kQuietTime) {
      world_.Violate(
          "long after the last fault there are jobs that neither "
          "end nor say why they wait");
    }
    if (settled == absl::InfiniteFuture() && IsSettled()) settled = now;
    if (now > settled + absl::Seconds(30)) break;
  }
  if (world_.violation.empty()) CheckRest();
  Outcome outcome;
  if (!world_.violation.empty()) {
    outcome.failure = absl::StrCat(
        world_.violation, "\nseed ", seed_, " (AUTOTP_SEED=", seed_,
        " repeats it); the end of the trace:\n", world_.Tail());
    return outcome;
  }
  outcome.faults = faults_;
  outcome.epochs = coordinator_.core().state().epoch;
  for (const auto& [name, job] : coordinator_.core().state().jobs) {
    ++outcome.ends[job.state()];
    outcome.attempts += job.status().attempt();
    outcome.commits += job.record.committed_step() > 0 ? 1 : 0;
  }
  return outcome;
}

}  // namespace autotp::sim
