#include "worker/agent/attempts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/agent/log_tail.h"

namespace autotp::agent {

int64_t Attempt::step() const {
  int64_t last = 0;
  for (const auto& [rank, trainer] : trainers)
    last = std::max(last, trainer->step);
  return last;
}

bool Attempt::live() const {
  return std::any_of(trainers.begin(), trainers.end(),
                     [](const auto& entry) { return entry.second->live; });
}

bool Attempt::drained() const {
  return reporter->drained() &&
         std::all_of(trainers.begin(), trainers.end(), [](const auto& entry) {
           return entry.second->log == nullptr || entry.second->log->drained();
         });
}

Attempt* Attempts::Find(const AttemptKey& key) const {
  const auto found = map_.find(key);
  return found == map_.end() ? nullptr : found->second.get();
}

Trainer* Attempts::Find(const AttemptKey& key, int rank) const {
  const Attempt* attempt = Find(key);
  if (attempt == nullptr) return nullptr;
  const auto found = attempt->trainers.find(rank);
  return found == attempt->trainers.end() ? nullptr : found->second.get();
}

Trainer* Attempts::FindFork(int64_t fork_id) const {
  return FindLive(
      [&](const Trainer& trainer) { return trainer.fork_id == fork_id; });
}

Trainer* Attempts::FindProcess(pid_t pid) const {
  return FindLive([&](const Trainer& trainer) { return trainer.pid == pid; });
}

Trainer* Attempts::FindLive(
    absl::FunctionRef<bool(const Trainer&)> is_it) const {
  for (const auto& [key, attempt] : map_) {
    for (const auto& [rank, trainer] : attempt->trainers)
      if (trainer->live && is_it(*trainer)) return trainer.get();
  }
  return nullptr;
}

Attempt& Attempts::Add(const AttemptKey& key) {
  std::unique_ptr<Attempt>& attempt = map_[key];
  attempt = std::make_unique<Attempt>();
  attempt->key = key;
  return *attempt;
}

std::vector<TrainerView> Attempts::Views() const {
  std::vector<TrainerView> views;
  for (const auto& [key, attempt] : map_) {
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

std::vector<AttemptKey> Attempts::Broken() const {
  std::vector<AttemptKey> broken;
  for (const auto& [key, attempt] : map_)
    if (attempt->broken) broken.push_back(key);
  return broken;
}

std::vector<v1::RunningTrainer> Attempts::Running() const {
  std::vector<v1::RunningTrainer> running;
  for (const auto& [key, attempt] : map_) {
    const bool unsent = !attempt->reporter->drained();
    for (const auto& [rank, trainer] : attempt->trainers) {
      if (!trainer->live && !unsent) continue;
      v1::RunningTrainer& entry = running.emplace_back();
      entry.set_job(key.job);
      entry.set_attempt(key.attempt);
      entry.set_group_epoch(key.group_epoch);
      entry.set_rank(rank);
      entry.set_step(attempt->step());
    }
  }
  return running;
}

bool Attempts::drained() const {
  return std::all_of(map_.begin(), map_.end(),
                     [](const auto& entry) { return entry.second->drained(); });
}

v1::Failure FailureOf(const Attempt& attempt, const Trainer& trainer,
                      const TrainerEnd& end, int log_lines_max,
                      absl::Time now) {
  v1::Failure failure;
  if (trainer.last_words.has_value()) failure = *trainer.last_words;
  if (failure.reason() == v1::FAILURE_REASON_UNSPECIFIED) {
    const bool started = trainer.pid != 0;
    failure.set_reason(started ? v1::FAILURE_REASON_TRAINER_EXITED
                               : v1::FAILURE_REASON_INTERNAL);
    failure.set_message(
        started
            ? absl::StrCat("rank ", trainer.rank, " ended with ", end.how,
                           " after step ", attempt.step())
            : absl::StrCat("rank ", trainer.rank, " did not start: ", end.how));
  }
  failure.set_rank(trainer.rank);
  failure.set_exit_code(end.exit_code);
  failure.set_signal(end.signal);
  failure.mutable_detect_time()->set_seconds(absl::ToUnixSeconds(now));
  failure.mutable_detect_time()->set_nanos(
      static_cast<int>(absl::ToUnixNanos(now) % 1'000'000'000));
  if (trainer.log == nullptr) return failure;
  for (std::string& line : LastLines(trainer.log->descriptor(),
                                     trainer.log->begin(), log_lines_max))
    failure.add_log_lines(std::move(line));
  return failure;
}

}  // namespace autotp::agent
