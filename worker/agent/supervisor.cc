#include "worker/agent/supervisor.h"

#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/status_macros.h"
#include "spdlog/spdlog.h"
#include "worker/agent/log_tail.h"

namespace autotp::agent {
namespace {

// A zygote that lived this long was healthy: the next one starts at once.
constexpr absl::Duration kZygoteHealthyAfter = absl::Seconds(5);

std::string DescribeEnd(int exit_code, int signal) {
  return signal != 0 ? absl::StrCat("signal ", signal)
                     : absl::StrCat("exit code ", exit_code);
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
        OnEnd(*trainer, 0, SIGKILL,
              absl::StrCat("its zygote ended with ", why));
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
  for (const auto& [key, attempt] : attempts_) {
    for (const auto& [rank, trainer] : attempt->trainers) {
      if (trainer->fork_id != forked.id() || !trainer->live) continue;
      if (forked.pid() == 0) {
        OnEnd(*trainer, 0, 0, forked.error());
        return;
      }
      trainer->pid = forked.pid();
      spdlog::info("{} rank {}: forked as process {} on slot {} in {}",
                   Describe(key), rank, trainer->pid, trainer->slot,
                   absl::FormatDuration(absl::Now() - trainer->start_time));
      if (trainer->ending) Kill(*trainer, "ended before it began");
      return;
    }
  }
}

void Supervisor::OnExited(const v1::TrainerExited& exited) {
  for (const auto& [key, attempt] : attempts_) {
    for (const auto& [rank, trainer] : attempt->trainers) {
      if (trainer->live && trainer->pid == exited.pid()) {
        OnEnd(*trainer, exited.exit_code(), exited.signal(),
              DescribeEnd(exited.exit_code(), exited.signal()));
        return;
      }
    }
  }
}

void Supervisor::Apply(const v1::Assignment& assignment) {
  spdlog::debug("assignment {}: {} tasks, {} orders", assignment.generation(),
                assignment.tasks_size(), assignment.orders_size());
  desired_ = assignment;
  Reconcile();
}

std::vector<TrainerView> Supervisor::Views() const {
  std::vector<TrainerView> views;
  for (const auto& [key, attempt] : attempts_) {
    for (const auto& [rank, trainer] : attempt->trainers) {
      views.push_back({.attempt = key,
                       .rank = rank,
                       .slot = trainer->slot,
                       .live = trainer->live,
                       .ending = trainer->ending || trainer->said_end,
                       .sent = trainer->sent});
    }
  }
  return views;
}

void Supervisor::Reconcile() {
  if (stopping_ || zygote_ == nullptr) return;
  std::vector<AttemptKey> broken;
  for (const auto& [key, attempt] : attempts_) {
    if (attempt->broken) broken.push_back(key);
  }
  const Actions actions =
      agent::Reconcile(desired_, Views(), broken, options_.slots);
  for (const EndTrainer& end : actions.end) {
    Trainer& trainer = *Find(end.attempt, end.rank);
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

Supervisor::Attempt& Supervisor::AttemptOf(const AttemptKey& key) {
  std::unique_ptr<Attempt>& attempt = attempts_[key];
  if (attempt == nullptr) {
    attempt = std::make_unique<Attempt>();
    attempt->key = key;
    attempt->reporter = std::make_shared<Reporter>(
        session_, key,
        Reporter::Callbacks{
            .on_fenced =
                [this, key](const absl::Status& status) {
                  spdlog::warn("{} is over: {}", Describe(key),
                               status.ToString());
                  BreakAttempt(*attempts_.at(key), "the coordinator fenced it");
                  SweepLater();
                },
            .on_sent =
                [this, key] {
                  for (auto& [rank, trainer] : attempts_.at(key)->trainers) {
                    if (trainer->link) trainer->link->PauseReading(false);
                  }
                  SweepLater();
                }});
  }
  return *attempt;
}

Supervisor::Trainer* Supervisor::Find(const AttemptKey& key, int rank) {
  const auto attempt = attempts_.find(key);
  if (attempt == attempts_.end()) return nullptr;
  const auto trainer = attempt->second->trainers.find(rank);
  return trainer == attempt->second->trainers.end() ? nullptr
                                                    : trainer->second.get();
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
  const absl::Status forked = Fork(task, attempt, *trainer);
  if (!forked.ok()) OnEnd(*trainer, 0, 0, std::string(forked.message()));
}

absl::Status Supervisor::Fork(const v1::TrainerTask& task, Attempt& attempt,
                              Trainer& trainer) {
  AUTOTP_ASSIGN_OR_RETURN(UniqueFd log, OpenLog(task.log_path()));
  const int64_t begin = LogBytes(log.get());
  trainer.log = std::make_shared<LogUpload>(
      session_, trainer.attempt, trainer.rank, std::move(log), begin);
  AUTOTP_ASSIGN_OR_RETURN(auto ends, SocketPair(SOCK_STREAM));

  v1::ForkRequest request;
  request.set_id(trainer.fork_id);
  request.set_slot(trainer.slot);
  request.set_threads(options_.zygote.threads);
  request.set_data_address(options_.data_address);
  std::vector<int> descriptors = {ends.second.get(), trainer.log->descriptor()};
  for (const v1::ProcessGroup& group : task.groups()) {
    if (group.backend() != v1::ProcessGroup::BACKEND_SHARED_MEMORY) continue;
    UniqueFd& memory = attempt.memory[group.key()];
    if (!memory.valid()) {
      AUTOTP_ASSIGN_OR_RETURN(const int descriptor,
                              options_.create_memory(group.ranks_size()));
      memory.reset(descriptor);
    }
    request.add_memory_keys(group.key());
    descriptors.push_back(memory.get());
  }
  AUTOTP_RETURN_IF_ERROR(zygote_->Fork(request, descriptors));

  trainer.link = std::make_unique<TrainerLink>(
      loop_, std::move(ends.first),
      [this, key = trainer.attempt, rank = trainer.rank](
          const v1::FromTrainer& message) { OnMessage(key, rank, message); });
  v1::ToTrainer start;
  *start.mutable_start() = task;
  return trainer.link->Send(start);
}

void Supervisor::Forward(const ForwardOrder& forward) {
  Trainer* trainer = Find(forward.attempt, forward.rank);
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
  Trainer* trainer = Find(key, rank);
  if (trainer == nullptr || !trainer->live) return;
  Attempt& attempt = *attempts_.at(key);
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

// `how`: what ended it, for people.
void Supervisor::OnEnd(Trainer& trainer, int exit_code, int signal,
                       const std::string& how) {
  // What it said before its end is still in the socket.
  if (trainer.link != nullptr) trainer.link->ReadRest();
  trainer.live = false;
  Attempt& attempt = *attempts_.at(trainer.attempt);
  if (trainer.log != nullptr) trainer.log->Pump();
  if (trainer.said_end || trainer.ending || stopping_) {
    spdlog::info("{} rank {}: process {} ended, {}", Describe(attempt.key),
                 trainer.rank, trainer.pid, how);
    if (trainer.ordered && !trainer.said_end) ReportStopped(attempt, trainer);
  } else {
    v1::Failure failure;
    if (trainer.last_words.has_value()) failure = *trainer.last_words;
    if (failure.reason() == v1::FAILURE_REASON_UNSPECIFIED) {
      failure.set_reason(trainer.pid == 0 ? v1::FAILURE_REASON_INTERNAL
                                          : v1::FAILURE_REASON_TRAINER_EXITED);
      failure.set_message(
          trainer.pid == 0
              ? absl::StrCat("rank ", trainer.rank, " did not start: ", how)
              : absl::StrCat("rank ", trainer.rank, " ended with ", how,
                             " after step ", StepOf(attempt)));
    }
    failure.set_worker(options_.worker);
    failure.set_rank(trainer.rank);
    failure.set_exit_code(exit_code);
    failure.set_signal(signal);
    const absl::Time now = absl::Now();
    failure.mutable_detect_time()->set_seconds(absl::ToUnixSeconds(now));
    failure.mutable_detect_time()->set_nanos(
        static_cast<int>(absl::ToUnixNanos(now) % 1'000'000'000));
    if (trainer.log != nullptr) {
      for (std::string& line :
           LastLines(trainer.log->descriptor(), trainer.log->begin(),
                     options_.log_lines_max)) {
        failure.add_log_lines(std::move(line));
      }
    }
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
                Trainer* late = Find(key, rank);
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
                const auto found = attempts_.find(key);
                if (found == attempts_.end()) return;
                for (auto& [rank, trainer] : found->second->trainers) {
                  if (trainer->live) Kill(*trainer, why);
                }
              });
}

void Supervisor::DecideBlame(const AttemptKey& key) {
  const auto found = attempts_.find(key);
  if (found == attempts_.end()) return;
  const std::optional<v1::Failure> failure =
      found->second->blame.Decide(absl::Now());
  if (!failure.has_value()) return;
  v1::ReportTrainerRequest report;
  report.set_rank(failure->rank());
  report.set_state(v1::ReportTrainerRequest::STATE_FAILED);
  report.set_step(StepOf(*found->second));
  *report.mutable_failure() = *failure;
  found->second->reporter->AddState(report);
}

int64_t Supervisor::StepOf(const Attempt& attempt) {
  int64_t step = 0;
  for (const auto& [rank, trainer] : attempt.trainers) {
    step = std::max(step, trainer->step);
  }
  return step;
}

std::vector<v1::RunningTrainer> Supervisor::Running() const {
  std::vector<v1::RunningTrainer> running;
  for (const auto& [key, attempt] : attempts_) {
    const bool unsent = !attempt->reporter->drained();
    const int64_t step = StepOf(*attempt);
    for (const auto& [rank, trainer] : attempt->trainers) {
      if (!trainer->live && !unsent) continue;
      v1::RunningTrainer& entry = running.emplace_back();
      entry.set_job(key.job);
      entry.set_attempt(key.attempt);
      entry.set_group_epoch(key.group_epoch);
      entry.set_rank(rank);
      entry.set_step(step);
    }
  }
  return running;
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

bool Supervisor::IsDrained(const Attempt& attempt) {
  return attempt.reporter->drained() &&
         std::all_of(attempt.trainers.begin(), attempt.trainers.end(),
                     [](const auto& trainer) {
                       return trainer.second->log == nullptr ||
                              trainer.second->log->drained();
                     });
}

bool Supervisor::drained() const {
  return std::all_of(attempts_.begin(), attempts_.end(), [](const auto& entry) {
    return IsDrained(*entry.second);
  });
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
    const bool live =
        std::any_of(attempt->trainers.begin(), attempt->trainers.end(),
                    [](const auto& trainer) { return trainer.second->live; });
    const bool undecided =
        attempt->blame.DecideTime() != absl::InfiniteFuture();
    if (desired || live || undecided || !IsDrained(*attempt)) {
      ++entry;
      continue;
    }
    spdlog::info("{} is over on this worker", Describe(key));
    entry = attempts_.erase(entry);
  }
}

}  // namespace autotp::agent
