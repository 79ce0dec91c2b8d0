#include "worker/agent/supervisor.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/status_macros.h"
#include "spdlog/spdlog.h"
#include "worker/agent/fork_trainer.h"

namespace autotp::agent {
namespace {

// A zygote that lived this long was healthy: the next one starts at once.
constexpr absl::Duration kZygoteHealthyAfter = absl::Seconds(5);

TrainerEnd EndOf(const v1::TrainerExited& exited) {
  return {exited.exit_code(), exited.signal(),
          exited.signal() != 0
              ? absl::StrCat("signal ", exited.signal())
              : absl::StrCat("exit code ", exited.exit_code())};
}

}  // namespace

Supervisor::Supervisor(EventLoop& loop, Session& session,
                       SupervisorOptions options)
    : loop_(loop), session_(session), options_(std::move(options)) {}

Supervisor::~Supervisor() = default;

absl::Status Supervisor::Start() {
  StartZygote();
  if (zygote_ == nullptr) {
    return absl::NotFoundError(absl::StrCat("cannot start ",
                                            options_.zygote.binary,
                                            "; name it with --trainer-binary"));
  }
  PumpLogs();
  return absl::OkStatus();
}

void Supervisor::StartZygote() {
  if (stopping_) return;
  zygote_start_ = absl::Now();
  auto zygote = ZygoteProcess::Start(
      loop_, options_.zygote,
      {.on_ready =
           [this] {
             spdlog::info("zygote {} is warm after {}", zygote_pid(),
                          absl::FormatDuration(absl::Now() - zygote_start_));
           },
       .on_forked = [this](const auto& forked) { OnForked(forked); },
       .on_exited = [this](const auto& exited) { OnExited(exited); },
       .on_zygote_exit =
           [this](const std::string& why) { OnZygoteExit(why); }});
  if (!zygote.ok()) {
    spdlog::error("no zygote: {}", zygote.status().ToString());
    loop_.RunAt(absl::Now() + zygote_backoff_.Next(),
                [this] { StartZygote(); });
    return;
  }
  zygote_ = *std::move(zygote);
  Reconcile();
}

void Supervisor::OnZygoteExit(const std::string& why) {
  spdlog::error("zygote ended with {}; a new one is started", why);
  // The kernel kills its children with it: none is left to report.
  for (const auto& [key, attempt] : attempts_) {
    for (const auto& [rank, trainer] : attempt->trainers) {
      if (trainer->live) {
        OnEnd(*trainer,
              {0, SIGKILL, absl::StrCat("its zygote ended with ", why)});
      }
    }
  }
  if (absl::Now() - zygote_start_ > kZygoteHealthyAfter) {
    zygote_backoff_.Reset();
  }
  // Deleted later: the caller is the zygote object.
  loop_.Post([dead = std::shared_ptr<ZygoteProcess>(std::move(zygote_))] {});
  loop_.RunAt(absl::Now() + zygote_backoff_.Next(), [this] { StartZygote(); });
}

void Supervisor::OnForked(const v1::TrainerForked& forked) {
  Trainer* trainer = attempts_.FindFork(forked.id());
  if (trainer == nullptr) return;
  if (forked.pid() == 0) return OnEnd(*trainer, {0, 0, forked.error()});
  trainer->pid = forked.pid();
  spdlog::info("{} rank {}: forked as process {} on slot {} in {}",
               Describe(trainer->attempt), trainer->rank, trainer->pid,
               trainer->slot,
               absl::FormatDuration(absl::Now() - trainer->start_time));
  if (trainer->ending) Kill(*trainer, "ended before it began");
}

void Supervisor::OnExited(const v1::TrainerExited& exited) {
  Trainer* trainer = attempts_.FindProcess(exited.pid());
  if (trainer != nullptr) OnEnd(*trainer, EndOf(exited));
}

void Supervisor::Apply(const v1::Assignment& assignment) {
  spdlog::debug("assignment {}: {} tasks, {} orders", assignment.generation(),
                assignment.tasks_size(), assignment.orders_size());
  desired_ = assignment;
  Reconcile();
}

void Supervisor::Reconcile() {
  if (stopping_ || zygote_ == nullptr) return;
  const Actions actions = agent::Reconcile(desired_, attempts_.Views(),
                                           attempts_.Broken(), options_.slots);
  for (const EndTrainer& end : actions.end) {
    Trainer& trainer = *attempts_.Find(end.attempt, end.rank);
    trainer.ordered = end.ordered;
    Kill(trainer, end.reason);
  }
  for (const int task : actions.start) StartTrainer(desired_.tasks(task));
  for (const ForwardOrder& forward : actions.forward) Forward(forward);
  for (const WaitingTask& waiting : actions.waiting) {
    const v1::TrainerTask& task = desired_.tasks(waiting.task);
    spdlog::info("{} rank {} waits: {}", Describe(KeyOf(task)), task.rank(),
                 waiting.reason);
  }
  SweepLater();
}

Attempt& Supervisor::AttemptOf(const AttemptKey& key) {
  Attempt* known = attempts_.Find(key);
  if (known != nullptr) return *known;
  Attempt& attempt = attempts_.Add(key);
  attempt.reporter = std::make_shared<Reporter>(
      session_, key,
      Reporter::Callbacks{
          .on_fenced =
              [this, key](const absl::Status& status) {
                spdlog::warn("{} is over: {}", Describe(key),
                             status.ToString());
                BreakAttempt(attempts_.at(key), "the coordinator fenced it");
                SweepLater();
              },
          .on_sent =
              [this, key] {
                for (auto& [rank, trainer] : attempts_.at(key).trainers) {
                  if (trainer->link) trainer->link->PauseReading(false);
                }
                SweepLater();
              }});
  return attempt;
}

void Supervisor::StartTrainer(const v1::TrainerTask& task) {
  const AttemptKey key = KeyOf(task);
  Attempt& attempt = AttemptOf(key);
  auto trainer = std::make_shared<Trainer>();
  trainer->attempt = key;
  trainer->rank = task.rank();
  trainer->slot = task.slot();
  trainer->start_time = absl::Now();
  trainer->fork_id = ++last_fork_;
  trainer->live = true;
  attempt.trainers[task.rank()] = trainer;
  const absl::Status forked = ForkTrainer(
      task,
      {loop_, session_, *zygote_, options_.zygote.threads,
       options_.data_address, options_.create_memory},
      [this, key, rank = task.rank()](const v1::FromTrainer& message) {
        OnMessage(key, rank, message);
      },
      attempt, *trainer);
  if (!forked.ok()) OnEnd(*trainer, {0, 0, std::string(forked.message())});
}

void Supervisor::Forward(const ForwardOrder& forward) {
  Trainer* trainer = attempts_.Find(forward.attempt, forward.rank);
  if (trainer == nullptr || trainer->link == nullptr) return;
  v1::ToTrainer message;
  *message.mutable_order() = forward.order;
  const absl::Status sent = trainer->link->Send(message);
  if (!sent.ok()) {
    spdlog::warn("{} rank {}: an order was not taken: {}",
                 Describe(forward.attempt), forward.rank, sent.ToString());
    return;
  }
  trainer->sent.stop_after_step = forward.order.stop_after_step();
  trainer->sent.checkpoint_request = forward.order.checkpoint_request();
  spdlog::info("{} rank {}: ordered {}checkpoint request {}",
               Describe(forward.attempt), forward.rank,
               forward.order.stop_after_step() ? "to stop after a step, " : "",
               forward.order.checkpoint_request());
}

void Supervisor::OnMessage(const AttemptKey& key, int rank,
                           const v1::FromTrainer& message) {
  Trainer* trainer = attempts_.Find(key, rank);
  if (trainer == nullptr || !trainer->live) return;
  Attempt& attempt = attempts_.at(key);
  const std::shared_ptr<Trainer> owner = attempt.trainers.at(rank);
  const Reply reply =
      [weak = std::weak_ptr<Trainer>(owner)](const v1::ToTrainer& answer) {
        const std::shared_ptr<Trainer> strong = weak.lock();
        if (strong != nullptr && strong->link != nullptr && strong->live) {
          strong->link->Send(answer).IgnoreError();  // its exit says more
        }
      };
  if (message.has_step()) {
    trainer->step = message.step().step();
    attempt.reporter->AddStep(rank, message.step());
    if (attempt.reporter->full()) trainer->link->PauseReading(true);
  } else if (message.has_state()) {
    OnState(attempt, *trainer, message.state());
  } else if (message.has_key_request()) {
    ServeKey(session_, key, message.key_request(), options_.proxy, owner,
             reply);
  } else if (message.has_checkpoint_request()) {
    ServeCheckpoint(session_, key, rank, message.checkpoint_request(),
                    options_.proxy, owner, reply);
  }
}

void Supervisor::OnState(Attempt& attempt, Trainer& trainer,
                         const v1::ReportTrainerRequest& state) {
  v1::ReportTrainerRequest report = state;
  report.set_rank(trainer.rank);
  trainer.step = std::max(trainer.step, state.step());
  const std::string name = v1::ReportTrainerRequest::State_Name(state.state());
  spdlog::info("{} rank {}: {} at step {}{}{}", Describe(attempt.key),
               trainer.rank, name.substr(name.find('_') + 1), state.step(),
               state.has_failure() ? ": " : "", state.failure().message());
  if (state.state() == v1::ReportTrainerRequest::STATE_FAILED) {
    // Reported with its exit, which is the whole story.
    trainer.last_words = state.failure();
    KillLater(trainer, options_.kill_grace, "it did not exit after a failure");
    return;
  }
  if (state.state() != v1::ReportTrainerRequest::STATE_READY) {
    trainer.said_end = true;
    KillLater(trainer, options_.exit_timeout, "it did not exit at its end");
    if (trainer.log != nullptr) trainer.log->Pump();
  }
  attempt.reporter->AddState(report);
}

void Supervisor::OnEnd(Trainer& trainer, const TrainerEnd& end) {
  // What it said before its end is still in the socket.
  if (trainer.link != nullptr) trainer.link->ReadRest();
  trainer.live = false;
  Attempt& attempt = attempts_.at(trainer.attempt);
  if (trainer.log != nullptr) trainer.log->Pump();
  if (trainer.said_end || trainer.ending || stopping_) {
    spdlog::info("{} rank {}: process {} ended, {}", Describe(attempt.key),
                 trainer.rank, trainer.pid, end.how);
    if (trainer.ordered && !trainer.said_end) ReportStopped(attempt, trainer);
  } else {
    v1::Failure failure =
        FailureOf(attempt, trainer, end, options_.log_lines_max, absl::Now());
    failure.set_worker(options_.worker);
    OnFailure(attempt, std::move(failure));
  }
  // A task may wait for this slot.
  loop_.Post([this] { Reconcile(); });
}

// Its slots are free for the next job once the coordinator has heard of it.
void Supervisor::ReportStopped(Attempt& attempt, Trainer& trainer) {
  v1::ReportTrainerRequest report;
  report.set_rank(trainer.rank);
  report.set_state(v1::ReportTrainerRequest::STATE_STOPPED);
  report.set_step(trainer.step);
  trainer.said_end = true;
  attempt.reporter->AddState(report);
}

void Supervisor::Kill(Trainer& trainer, const std::string& why) {
  trainer.ending = true;
  if (!trainer.live || trainer.pid == 0) return;  // on its fork, then
  spdlog::info("{} rank {}: killing process {}: {}", Describe(trainer.attempt),
               trainer.rank, trainer.pid, why);
  kill(trainer.pid, SIGKILL);
}

void Supervisor::KillLater(const Trainer& trainer, absl::Duration delay,
                           const std::string& why) {
  loop_.RunAt(absl::Now() + delay,
              [this, key = trainer.attempt, rank = trainer.rank, why] {
                Trainer* late = attempts_.Find(key, rank);
                if (late == nullptr || !late->live) return;
                const bool was_ending = late->ending;
                Kill(*late, why);
                // Its own words still count as the failure.
                if (late->last_words.has_value()) late->ending = was_ending;
              });
}

void Supervisor::OnFailure(Attempt& attempt, v1::Failure failure) {
  spdlog::warn("{}: {} on rank {}: {}", Describe(attempt.key),
               v1::FailureReason_Name(failure.reason()), failure.rank(),
               failure.message());
  attempt.blame.Add(failure, absl::Now());
  BreakAttempt(attempt,
               absl::StrCat("rank ", failure.rank(), " of it has failed"));
  const absl::Time decide_time = attempt.blame.DecideTime();
  if (decide_time == absl::InfiniteFuture()) return;  // decided before
  loop_.RunAt(decide_time, [this, key = attempt.key] { DecideBlame(key); });
}

void Supervisor::BreakAttempt(Attempt& attempt, const std::string& why) {
  if (std::exchange(attempt.broken, true)) return;
  for (const auto& [key, memory] : attempt.memory) {
    options_.abort_memory(memory.get());
  }
  loop_.RunAt(absl::Now() + options_.kill_grace,
              [this, key = attempt.key, why] {
                const Attempt* late = attempts_.Find(key);
                if (late == nullptr) return;
                for (auto& [rank, trainer] : late->trainers) {
                  if (trainer->live) Kill(*trainer, why);
                }
              });
}

void Supervisor::DecideBlame(const AttemptKey& key) {
  Attempt* attempt = attempts_.Find(key);
  if (attempt == nullptr) return;
  const std::optional<v1::Failure> failure = attempt->blame.Decide(absl::Now());
  if (!failure.has_value()) return;
  v1::ReportTrainerRequest report;
  report.set_rank(failure->rank());
  report.set_state(v1::ReportTrainerRequest::STATE_FAILED);
  report.set_step(attempt->step());
  *report.mutable_failure() = *failure;
  attempt->reporter->AddState(report);
}

void Supervisor::DropAll(const std::string& why) {
  desired_.Clear();
  for (auto& [key, attempt] : attempts_) {
    BreakAttempt(*attempt, why);
    attempt->reporter->Close();
    for (auto& [rank, trainer] : attempt->trainers) {
      if (trainer->live) Kill(*trainer, why);
    }
  }
  SweepLater();
}

void Supervisor::Stop() {
  stopping_ = true;
  // The zygote's death kills them without delay; none is a failure.
  for (auto& [key, attempt] : attempts_) {
    for (auto& [rank, trainer] : attempt->trainers) {
      if (trainer->live) Kill(*trainer, "the worker stops");
      trainer->live = false;
    }
  }
  zygote_ = nullptr;
  PumpLogs();
}

void Supervisor::PumpLogs() {
  loop_.Cancel(log_timer_);
  for (const auto& [key, attempt] : attempts_) {
    for (const auto& [rank, trainer] : attempt->trainers) {
      if (trainer->log != nullptr) trainer->log->Pump();
    }
  }
  SweepLater();  // an attempt may have waited for its logs
  log_timer_ =
      loop_.RunAt(absl::Now() + options_.log_interval, [this] { PumpLogs(); });
}

void Supervisor::SweepLater() {
  if (std::exchange(sweeping_, true)) return;
  loop_.Post([this] { Sweep(); });
}

void Supervisor::Sweep() {
  sweeping_ = false;
  for (auto entry = attempts_.begin(); entry != attempts_.end();) {
    const auto& [key, attempt] = *entry;
    const bool desired = std::any_of(
        desired_.tasks().begin(), desired_.tasks().end(),
        [&key = key](const auto& task) { return KeyOf(task) == key; });
    const bool undecided =
        attempt->blame.DecideTime() != absl::InfiniteFuture();
    if (desired || attempt->live() || undecided || !attempt->drained()) {
      ++entry;
      continue;
    }
    spdlog::info("{} is over on this worker", Describe(key));
    entry = attempts_.erase(entry);
  }
}

}  // namespace autotp::agent
