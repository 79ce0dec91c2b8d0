#include "worker/agent/reconcile.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace autotp::agent {
namespace {

const v1::JobOrder* FindOrder(const v1::Assignment& desired,
                              const AttemptKey& key) {
  for (const v1::JobOrder& order : desired.orders()) {
    if (order.job() == key.job && order.attempt() == key.attempt) {
      return &order;
    }
  }
  return nullptr;
}

bool Grows(const v1::JobOrder& order, const SentOrder& sent) {
  return (order.stop_after_step() && !sent.stop_after_step) ||
         order.checkpoint_request() > sent.checkpoint_request;
}

}  // namespace

Actions Reconcile(const v1::Assignment& desired,
                  const std::vector<TrainerView>& trainers,
                  const std::vector<AttemptKey>& broken, int num_slots) {
  std::set<std::pair<AttemptKey, int>> wanted;
  for (const v1::TrainerTask& task : desired.tasks()) {
    wanted.emplace(KeyOf(task), task.rank());
  }
  Actions actions;
  std::set<std::pair<AttemptKey, int>> known;
  std::map<int, const TrainerView*> held;  // by slot
  for (const TrainerView& trainer : trainers) {
    known.emplace(trainer.attempt, trainer.rank);
    if (!trainer.live) continue;
    held[trainer.slot] = &trainer;
    if (trainer.ending) continue;
    const v1::JobOrder* order = FindOrder(desired, trainer.attempt);
    if (!wanted.contains({trainer.attempt, trainer.rank})) {
      actions.end.push_back(
          {trainer.attempt, trainer.rank, "no longer assigned"});
    } else if (order != nullptr && order->stop_now()) {
      actions.end.push_back({trainer.attempt, trainer.rank, "told to stop now",
                             /*ordered=*/true});
    } else if (order != nullptr && Grows(*order, trainer.sent)) {
      actions.forward.push_back({trainer.attempt, trainer.rank, *order});
    }
  }
  std::set<int> given;  // slots of this very round
  for (int i = 0; i < desired.tasks_size(); ++i) {
    const v1::TrainerTask& task = desired.tasks(i);
    const AttemptKey key = KeyOf(task);
    const v1::JobOrder* order = FindOrder(desired, key);
    if (known.contains({key, task.rank()})) continue;
    if (std::find(broken.begin(), broken.end(), key) != broken.end() ||
        (order != nullptr && order->stop_now())) {
      continue;
    }
    if (task.slot() < 0 || task.slot() >= num_slots) {
      actions.waiting.push_back(
          {i, absl::StrCat("slot ", task.slot(),
                           " is not one of this worker's ", num_slots)});
    } else if (const auto holder = held.find(task.slot());
               holder != held.end()) {
      actions.waiting.push_back(
          {i, absl::StrCat("slot ", task.slot(), " is still held by rank ",
                           holder->second->rank, " of ",
                           Describe(holder->second->attempt))});
    } else if (!given.insert(task.slot()).second) {
      actions.waiting.push_back(
          {i, absl::StrCat("slot ", task.slot(), " is assigned twice")});
    } else {
      actions.start.push_back(i);
    }
  }
  return actions;
}

}  // namespace autotp::agent
