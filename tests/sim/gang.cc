#include "tests/sim/gang.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace autotp::sim {
namespace {

constexpr absl::Duration kKeyPatience = absl::Seconds(30);
constexpr absl::Duration kPoll = absl::Milliseconds(400);
constexpr absl::Duration kStep = absl::Milliseconds(500);

}  // namespace

Gang::Gang(World& world, AttemptKey key, const v1::TrainerTask& task)
    : world_(world),
      key_(std::move(key)),
      world_size_(task.world_size()),
      max_steps_(task.max_steps()),
      save_every_(task.checkpoint_every_steps()),
      output_(task.output_path()) {
  if (task.resume_manifest().empty()) return;
  const auto found = world_.manifests.find(
      std::string(absl::StripSuffix(task.resume_manifest(), "/MANIFEST.json")));
  if (found == world_.manifests.end()) {
    world_.Violate(absl::StrCat(key_.job, " is to resume from ",
                                task.resume_manifest(),
                                ", which is not on the disk"));
    return;
  }
  step_ = found->second;
}

template <typename Request, typename Done>
void Gang::Call(Trainer& trainer, Request request, Done done) {
  trainer.host->session().Call(
      key_, std::move(request), [&trainer] { return trainer.live; }, done);
}

Trainer* Gang::Start(Host& host, const v1::TrainerTask& task) {
  std::unique_ptr<Trainer>& trainer = trainers_[task.rank()];
  if (trainer != nullptr) {
    world_.Violate(absl::StrCat(key_.job, " attempt ", key_.attempt, ": rank ",
                                task.rank(), " was started twice"));
    return trainer.get();
  }
  trainer = std::make_unique<Trainer>();
  trainer->host = &host;
  trainer->rank = task.rank();
  trainer->slot = task.slot();
  const absl::Duration load =
      world_.chance.Between(absl::Milliseconds(100), absl::Seconds(2));
  world_.timeline.After(load, [this, self = trainer.get()] { SetKey(*self); });
  return trainer.get();
}

void Gang::SetKey(Trainer& trainer) {
  if (!trainer.live) return;
  v1::SetKeyRequest request;
  request.set_key(absl::StrCat("world/", trainer.rank));
  request.set_value(absl::StrCat("address of ", trainer.rank));
  const absl::Time deadline = world_.timeline.now() + kKeyPatience;
  Call(trainer, request, [this, &trainer, deadline](const auto& answer) {
    if (answer.ok()) return FindKeys(trainer, 0, deadline);
    End(trainer, v1::FAILURE_REASON_COLLECTIVE, "could not set its key");
  });
}

void Gang::FindKeys(Trainer& trainer, int next, absl::Time deadline) {
  if (!trainer.live) return;
  if (next == world_size_) return Join(trainer);
  if (world_.timeline.now() > deadline) {
    return End(trainer, v1::FAILURE_REASON_COLLECTIVE, "a key did not come");
  }
  v1::GetKeyRequest request;
  request.set_key(absl::StrCat("world/", next));
  Call(trainer, request, [=, this, &trainer](const auto& answer) {
    if (!answer.ok()) {
      End(trainer, v1::FAILURE_REASON_COLLECTIVE, "could not ask for a key");
    } else if (answer->has_value()) {
      FindKeys(trainer, next + 1, deadline);
    } else {
      world_.timeline.After(
          kPoll, [=, this, &trainer] { FindKeys(trainer, next, deadline); });
    }
  });
}

void Gang::Join(Trainer& trainer) {
  trainer.joined = true;
  v1::ReportTrainerRequest report;
  report.set_rank(trainer.rank);
  report.set_state(v1::ReportTrainerRequest::STATE_READY);
  trainer.host->Report(key_, report);
  const auto joined =
      std::count_if(trainers_.begin(), trainers_.end(),
                    [](const auto& member) { return member.second->joined; });
  if (joined < world_size_) return;
  if (step_ < max_steps_) return StepLater();
  // It resumes behind the last step: only the model is to be written.
  finishing_ = true;
  for (auto& [rank, member] : trainers_) SaveNext(*member);
}

void Gang::StepLater() {
  world_.timeline.After(kStep, [this] { Step(); });
}

void Gang::Step() {
  if (hung_) return;
  for (const auto& [rank, trainer] : trainers_) {
    if (!trainer->live || trainer->ending) return Break();
  }
  ++step_;
  v1::ReportProgressRequest progress;
  v1::StepMetrics& metrics = *progress.add_steps();
  metrics.set_step(step_);
  metrics.set_tokens(1024);
  metrics.set_step_seconds(absl::ToDoubleSeconds(kStep));
  trainers_.at(0)->host->Report(key_, progress);
  // The control words of this step, the same on every rank.
  finishing_ = stop_ || step_ == max_steps_;
  const bool asked = asked_saves_ > std::exchange(made_saves_, asked_saves_);
  const bool due = save_every_ > 0 && step_ % save_every_ == 0;
  if (asked || due || finishing_) {
    for (auto& [rank, trainer] : trainers_) trainer->saves.push_back(step_);
  }
  for (auto& [rank, trainer] : trainers_) {
    if (!trainer->saving) SaveNext(*trainer);
  }
  if (!finishing_) StepLater();
}

void Gang::Break() {
  broken_ = true;
  for (const auto& [rank, trainer] : trainers_) {
    const absl::Duration delay =
        world_.chance.Between(absl::Milliseconds(1), absl::Seconds(3));
    world_.timeline.After(delay, [this, self = trainer.get()] {
      End(*self, v1::FAILURE_REASON_COLLECTIVE, "a peer is gone");
    });
  }
}

void Gang::SaveNext(Trainer& trainer) {
  trainer.saving = false;
  if (!trainer.live) return;
  if (trainer.saves.empty()) {
    if (finishing_) Finish(trainer);
    return;
  }
  trainer.saving = true;
  v1::BeginCheckpointRequest request;
  request.set_step(trainer.saves.front());
  trainer.saves.pop_front();
  Call(trainer, request, [this, &trainer](const auto& answer) {
    if (!answer.ok()) {
      return End(trainer, v1::FAILURE_REASON_STORAGE, "cannot save");
    }
    const absl::Duration write =
        world_.chance.Between(absl::Milliseconds(10), absl::Seconds(2));
    world_.timeline.After(write, [this, &trainer, begun = *answer] {
      ReportPart(trainer, begun);
    });
  });
}

void Gang::ReportPart(Trainer& trainer,
                      const v1::BeginCheckpointResponse& begun) {
  if (!trainer.live) return;
  v1::ReportPartRequest request;
  request.set_checkpoint(begun.checkpoint());
  request.set_rank(trainer.rank);
  request.mutable_part()->set_path(absl::StrCat("rank-", trainer.rank));
  request.mutable_part()->set_size_bytes(1'000'000);
  Call(trainer, request, [this, &trainer, begun](const auto& answer) {
    if (!answer.ok()) {
      End(trainer, v1::FAILURE_REASON_STORAGE, "its part was refused");
    } else if (trainer.rank != 0) {
      SaveNext(trainer);
    } else if (answer->complete()) {
      Commit(trainer, begun);
    } else {
      world_.timeline.After(
          kPoll, [this, &trainer, begun] { ReportPart(trainer, begun); });
    }
  });
}

void Gang::Commit(Trainer& trainer, const v1::BeginCheckpointResponse& begun) {
  const size_t at = begun.checkpoint().rfind('/') + 1;
  world_.manifests[begun.path()] = std::stoll(begun.checkpoint().substr(at));
  v1::CommitCheckpointRequest request;
  request.set_checkpoint(begun.checkpoint());
  request.set_manifest_digest("digest");
  request.set_size_bytes(1'000'000L * world_size_);
  Call(trainer, request, [this, &trainer](const auto& answer) {
    if (answer.ok()) return SaveNext(trainer);
    End(trainer, v1::FAILURE_REASON_STORAGE, "its commit was refused");
  });
}

void Gang::Finish(Trainer& trainer) {
  v1::ReportTrainerRequest report;
  report.set_rank(trainer.rank);
  report.set_step(step_);
  report.set_state(stop_ && step_ < max_steps_
                       ? v1::ReportTrainerRequest::STATE_STOPPED
                       : v1::ReportTrainerRequest::STATE_FINISHED);
  if (trainer.rank == 0) report.set_model_path(absl::StrCat(output_, "/model"));
  trainer.host->Report(key_, report);
  trainer.live = false;
  trainer.host->OnTrainerGone();
}

void Gang::Order(const v1::JobOrder& order) {
  stop_ = stop_ || order.stop_after_step();
  asked_saves_ = std::max(asked_saves_, order.checkpoint_request());
}

void Gang::End(Trainer& trainer, v1::FailureReason reason, const char* words) {
  if (!std::exchange(trainer.live, false)) return;
  if (reason != v1::FAILURE_REASON_UNSPECIFIED && !trainer.ending) {
    v1::ReportTrainerRequest report;
    report.set_rank(trainer.rank);
    report.set_state(v1::ReportTrainerRequest::STATE_FAILED);
    report.mutable_failure()->set_reason(reason);
    report.mutable_failure()->set_message(words);
    trainer.host->Report(key_, report);
  }
  trainer.host->OnTrainerGone();
}

}  // namespace autotp::sim
