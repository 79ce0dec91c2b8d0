#include "tests/sim/fake_worker.h"

#include <set>

#include "absl/strings/str_cat.h"

namespace autotp::sim {
namespace {

AttemptKey KeyOf(const v1::TrainerTask& task) {
  return {task.job(), task.attempt(), task.group_epoch()};
}

const v1::JobOrder* FindOrder(const v1::Assignment& desired,
                              const AttemptKey& key) {
  for (const v1::JobOrder& order : desired.orders()) {
    if (order.job() == key.job && order.attempt() == key.attempt) {
      return &order;
    }
  }
  return nullptr;
}

}  // namespace

FakeWorker::FakeWorker(World& world, Network& network, Gangs& gangs,
                       SessionOptions options)
    : world_(world),
      gangs_(gangs),
      session_(world, network, std::move(options),
               {.on_assignment =
                    [this](const v1::Assignment& assignment) {
                      desired_ = assignment;
                      Reconcile();
                    },
                .on_refused = [this] { Kill(); }}) {}

void FakeWorker::Kill() {
  session_.Stop();
  for (const auto& [gang, trainer] : LiveTrainers()) {
    gang->End(*trainer, v1::FAILURE_REASON_UNSPECIFIED, "");
  }
}

void FakeWorker::Leave() {
  session_.Deregister();
  Kill();
}

std::vector<std::pair<Gang*, Trainer*>> FakeWorker::LiveTrainers() const {
  std::vector<std::pair<Gang*, Trainer*>> live;
  for (const auto& [key, attempt] : attempts_) {
    for (const auto& [rank, trainer] : attempt.trainers) {
      if (trainer->live) live.emplace_back(attempt.gang, trainer);
    }
  }
  return live;
}

void FakeWorker::Reconcile() {
  if (!is_alive()) return;
  std::set<std::pair<AttemptKey, int>> wanted;
  for (const v1::TrainerTask& task : desired_.tasks()) {
    wanted.emplace(KeyOf(task), task.rank());
  }
  for (const auto& [gang, trainer] : LiveTrainers()) {
    const v1::JobOrder* order = FindOrder(desired_, gang->key());
    if (!wanted.contains({gang->key(), trainer->rank}) ||
        (order != nullptr && order->stop_now())) {
      EndSoon(*gang, *trainer);
    } else if (order != nullptr) {
      gang->Order(*order);
    }
  }
  std::set<std::pair<std::string, int>> slots;
  for (const v1::TrainerTask& task : desired_.tasks()) {
    if (task.slot() >= session_.options().slots) {
      world_.Violate(absl::StrCat(task.job(), " got slot ", task.slot(),
                                  ", which is not there"));
    }
    StartTask(task);
  }
}

void FakeWorker::StartTask(const v1::TrainerTask& task) {
  const AttemptKey key = KeyOf(task);
  const v1::JobOrder* order = FindOrder(desired_, key);
  if (order != nullptr && order->stop_now()) return;
  Attempt& attempt = attempts_[key];
  if (attempt.fenced || attempt.trainers.contains(task.rank())) return;
  if (IsHeld(task.slot())) return;  // until its trainer is gone
  std::unique_ptr<Gang>& gang = gangs_[key];
  if (gang == nullptr) gang = std::make_unique<Gang>(world_, key, task);
  attempt.gang = gang.get();
  attempt.trainers[task.rank()] = gang->Start(*this, task);
}

bool FakeWorker::IsHeld(int slot) const {
  for (const auto& [gang, trainer] : LiveTrainers()) {
    if (trainer->slot == slot) return true;
  }
  return false;
}

void FakeWorker::EndSoon(Gang& gang, Trainer& trainer) {
  if (std::exchange(trainer.ending, true)) return;
  const absl::Duration delay =
      world_.chance.Between(absl::Milliseconds(1), absl::Seconds(2));
  world_.timeline.After(delay, [&gang, &trainer] {
    gang.End(trainer, v1::FAILURE_REASON_UNSPECIFIED, "");
  });
}

void FakeWorker::OnTrainerGone() {
  world_.timeline.After(absl::ZeroDuration(), [this] { Reconcile(); });
}

void FakeWorker::Report(const AttemptKey& attempt,
                        v1::ReportTrainerRequest report) {
  Add(attempt, std::move(report));
}

void FakeWorker::Report(const AttemptKey& attempt,
                        v1::ReportProgressRequest report) {
  Add(attempt, std::move(report));
}

void FakeWorker::Add(const AttemptKey& key, AnyReport report) {
  Attempt& attempt = attempts_[key];
  if (attempt.fenced || !is_alive()) return;
  attempt.outbox.push_back(std::move(report));
  Pump(key);
}

void FakeWorker::Pump(const AttemptKey& key) {
  Attempt& attempt = attempts_.at(key);
  if (attempt.outbox.empty() || std::exchange(attempt.is_out, true)) return;
  std::visit(
      [&](const auto& report) {
        session_.Call(
            key, report, [this] { return is_alive(); },
            [this, key](const auto& answer) {
              OnAnswer(key, answer.status());
            });
      },
      attempt.outbox.front());
}

void FakeWorker::OnAnswer(const AttemptKey& key, const absl::Status& status) {
  Attempt& attempt = attempts_.at(key);
  attempt.is_out = false;
  if (absl::IsAborted(status)) {
    attempt.fenced = true;
    attempt.outbox.clear();
    for (auto& [rank, trainer] : attempt.trainers) {
      if (trainer->live) EndSoon(*attempt.gang, *trainer);
    }
    return;
  }
  if (!status.ok()) {
    world_.Violate(
        absl::StrCat(key.job, ": a report was refused: ", status.message()));
  }
  attempt.outbox.pop_front();
  Pump(key);
}

}  // namespace autotp::sim
