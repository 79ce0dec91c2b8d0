#include "tests/sim/session.h"

namespace autotp::sim {
namespace {

constexpr absl::Duration kHeartbeat = absl::Seconds(1);

}  // namespace

Session::Session(World& world, Network& network, SessionOptions options,
                 SessionEvents events)
    : world_(world),
      network_(network),
      options_(std::move(options)),
      events_(std::move(events)) {
  fence_.set_worker(options_.worker);
  fence_.set_incarnation(options_.incarnation);
}

v1::Fence Session::FenceOf(const AttemptKey& attempt) const {
  v1::Fence fence = fence_;
  fence.set_job(attempt.job);
  fence.set_attempt(attempt.attempt);
  fence.set_group_epoch(attempt.group_epoch);
  return fence;
}

void Session::Register() {
  if (stopped_) return;
  v1::RegisterWorkerRequest request;
  *request.mutable_fence() = fence_;
  request.set_device(options_.device);
  request.set_slots(options_.slots);
  network_.Call(link_, request,
                [this](const auto& answer) { OnRegistered(answer); });
}

void Session::OnRegistered(
    const absl::StatusOr<v1::RegisterWorkerResponse>& answer) {
  if (stopped_) return;
  if (absl::IsUnavailable(answer.status())) {
    world_.timeline.After(kRetry, [this] { Register(); });
    return;
  }
  if (!answer.ok()) return events_.on_refused();
  registered_ = true;
  ++number_;
  fence_ = answer->fence();
  generation_ = 0;
  beat_is_out_ = false;
  EndDoubts(/*session_is_current=*/false);
  Fetch();
  BeatLater();
}

void Session::BeatLater() {
  const int64_t beat = ++beats_;
  world_.timeline.After(kHeartbeat, [this, beat] {
    if (beat == beats_) Beat();
  });
}

void Session::Beat() {
  if (stopped_ || !registered_ || beat_is_out_) return;
  beat_is_out_ = true;
  ++beats_;
  v1::HeartbeatRequest request;
  *request.mutable_fence() = fence_;
  request.set_assignment_generation(generation_);
  network_.Call(link_, request, [this, number = number_](const auto& answer) {
    OnBeat(number, answer);
  });
}

void Session::OnBeat(int64_t number,
                     const absl::StatusOr<v1::HeartbeatResponse>& answer) {
  if (stopped_ || number != number_ || !registered_) return;
  beat_is_out_ = false;
  if (absl::IsAborted(answer.status())) return Renew();
  if (answer.ok()) {
    if (answer->assignment_generation() > generation_) Fetch();
    EndDoubts(/*session_is_current=*/true);
  }
  BeatLater();
}

void Session::Fetch() {
  if (stopped_ || !registered_) return;
  v1::WatchAssignmentRequest request;
  *request.mutable_fence() = fence_;
  request.set_after_generation(generation_);
  network_.Call(link_, request, [this, number = number_](const auto& answer) {
    if (stopped_ || number != number_ || !registered_) return;
    if (absl::IsAborted(answer.status())) return Beat();
    if (!answer.ok() || !answer->has_value()) return;
    const v1::Assignment& assignment = **answer;
    if (assignment.generation() <= generation_) return;
    generation_ = assignment.generation();
    events_.on_assignment(assignment);
  });
}

void Session::Renew() {
  registered_ = false;
  Register();
}

void Session::Doubt(int64_t number, std::function<void(bool)> verdict) {
  if (number != number_) return verdict(false);
  doubts_.push_back(std::move(verdict));
  Beat();
}

void Session::EndDoubts(bool session_is_current) {
  for (const auto& verdict : std::exchange(doubts_, {})) {
    verdict(session_is_current);
  }
}

void Session::Deregister() {
  if (registered_) {
    v1::DeregisterWorkerRequest request;
    *request.mutable_fence() = fence_;
    network_.Call(link_, request, [](const auto&) {});
  }
  Stop();
}

}  // namespace autotp::sim
