#include "worker/agent/session.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace autotp::agent {
namespace {

constexpr absl::Duration kRegisterTimeout = absl::Seconds(5);
constexpr absl::Duration kHeartbeatTimeoutMin = absl::Seconds(2);
constexpr int kHeartbeatsBehindMax = 2;

// Unique among all processes of this worker's name.
std::string NewIncarnation() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x", device(), device(), device());
}

}  // namespace

Session::Session(EventLoop& loop, CoordinatorClient& client,
                 v1::RegisterWorkerRequest self, SessionCallbacks callbacks)
    : loop_(loop),
      client_(client),
      self_(std::move(self)),
      callbacks_(std::move(callbacks)) {
  self_.mutable_fence()->set_incarnation(NewIncarnation());
}

v1::Fence Session::FenceOf(const AttemptKey& attempt) const {
  v1::Fence fence = self_.fence();
  fence.set_job(attempt.job);
  fence.set_attempt(attempt.attempt);
  fence.set_group_epoch(attempt.group_epoch);
  return fence;
}

void Session::Register() {
  if (ended_) return;
  self_.clear_running();
  for (v1::RunningTrainer& trainer : callbacks_.running()) {
    *self_.add_running() = std::move(trainer);
  }
  client_.Call(client_.worker(), &WorkerCalls::RegisterWorker, self_,
               kRegisterTimeout,
               std::function<void(absl::StatusOr<v1::RegisterWorkerResponse>)>(
                   [this](absl::StatusOr<v1::RegisterWorkerResponse> response) {
                     OnRegistered(std::move(response));
                   }));
}

void Session::OnRegistered(
    absl::StatusOr<v1::RegisterWorkerResponse> response) {
  if (ended_) return;
  if (!response.ok()) {
    if (absl::IsAborted(response.status()) ||
        absl::IsFailedPrecondition(response.status()) ||
        absl::IsInvalidArgument(response.status())) {
      callbacks_.on_refused(response.status());
      return;
    }
    if (!std::exchange(silent_, true)) {
      spdlog::warn("cannot register: {}; trying on",
                   response.status().ToString());
    }
    loop_.RunAt(absl::Now() + register_backoff_.Next(), [this] { Register(); });
    return;
  }
  registered_ = true;
  silent_ = false;
  ++number_;
  register_backoff_.Reset();
  stream_backoff_.Reset();
  const v1::Fence& fence = response->fence();
  self_.mutable_fence()->set_cluster_uid(fence.cluster_uid());
  self_.mutable_fence()->set_coordinator_epoch(fence.coordinator_epoch());
  const absl::Duration interval =
      absl::Seconds(response->heartbeat_interval().seconds()) +
      absl::Nanoseconds(response->heartbeat_interval().nanos());
  if (interval > absl::ZeroDuration()) heartbeat_interval_ = interval;
  spdlog::info(
      "registered as {} with cluster {} epoch {}: {} trainers running, "
      "heartbeat every {}",
      self_.fence().worker(), fence.cluster_uid(), fence.coordinator_epoch(),
      self_.running_size(), absl::FormatDuration(heartbeat_interval_));
  applied_generation_ = 0;
  num_behind_ = 0;
  heartbeat_out_ = false;
  EndDoubts(/*session_is_current=*/false);
  OpenStream();
  loop_.Cancel(heartbeat_timer_);
  heartbeat_timer_ =
      loop_.RunAt(absl::Now() + heartbeat_interval_, [this] { Heartbeat(); });
}

void Session::Heartbeat() {
  if (!registered_ || ended_ || heartbeat_out_) return;
  heartbeat_out_ = true;
  loop_.Cancel(heartbeat_timer_);
  v1::HeartbeatRequest request;
  *request.mutable_fence() = self_.fence();
  request.set_assignment_generation(applied_generation_);
  client_.Call(client_.worker(), &WorkerCalls::Heartbeat, request,
               std::max(heartbeat_interval_ * 2, kHeartbeatTimeoutMin),
               std::function<void(absl::StatusOr<v1::HeartbeatResponse>)>(
                   [this, number = number_](
                       const absl::StatusOr<v1::HeartbeatResponse>& response) {
                     OnHeartbeat(number, response);
                   }));
}

void Session::OnHeartbeat(
    int64_t number, const absl::StatusOr<v1::HeartbeatResponse>& response) {
  if (ended_ || number != number_ || !registered_) return;
  heartbeat_out_ = false;
  if (absl::IsAborted(response.status())) {
    Renew(response.status().ToString());
    return;
  }
  if (response.ok() &&
      response->coordinator_epoch() != self_.fence().coordinator_epoch()) {
    Renew(absl::StrCat("its epoch is ", response->coordinator_epoch(), " now"));
    return;
  }
  if (!response.ok()) {
    if (!std::exchange(silent_, true)) {
      spdlog::warn("the coordinator gives no answer: {}; trainers go on",
                   response.status().ToString());
    }
  } else {
    if (std::exchange(silent_, false)) spdlog::info("the coordinator is back");
    const bool behind = response->assignment_generation() > applied_generation_;
    num_behind_ = behind ? num_behind_ + 1 : 0;
    if (num_behind_ > kHeartbeatsBehindMax && stream_ != nullptr) {
      spdlog::warn("the assignment stream is stuck at generation {}, not {}",
                   applied_generation_, response->assignment_generation());
      num_behind_ = 0;
      stream_->Cancel();  // its end opens a new one
    }
    EndDoubts(/*session_is_current=*/true);
  }
  heartbeat_timer_ =
      loop_.RunAt(absl::Now() + heartbeat_interval_, [this] { Heartbeat(); });
}

void Session::OpenStream() {
  if (!registered_ || ended_) return;
  if (stream_ != nullptr) stream_->Cancel();
  v1::WatchAssignmentRequest request;
  *request.mutable_fence() = self_.fence();
  request.set_after_generation(applied_generation_);
  stream_ = client_.WatchAssignment(
      request,
      [this, number = number_](const v1::Assignment& assignment) {
        OnAssignment(number, assignment);
      },
      [this, number = number_](const absl::Status& status) {
        OnStreamEnd(number, status);
      });
}

void Session::OnStreamEnd(int64_t number, const absl::Status& status) {
  if (ended_ || number != number_) return;
  stream_ = nullptr;
  // Whether the session or only the stream has ended, a heartbeat tells.
  if (absl::IsAborted(status)) Heartbeat();
  loop_.RunAt(absl::Now() + stream_backoff_.Next(), [this, number] {
    if (number == number_ && stream_ == nullptr) OpenStream();
  });
}

void Session::OnAssignment(int64_t number, const v1::Assignment& assignment) {
  if (ended_ || number != number_ || !registered_) return;
  if (assignment.coordinator_epoch() < self_.fence().coordinator_epoch() ||
      assignment.generation() < applied_generation_) {
    return;
  }
  stream_backoff_.Reset();
  applied_generation_ = assignment.generation();
  callbacks_.on_assignment(assignment);
}

void Session::Renew(const std::string& why) {
  if (!registered_ || ended_) return;
  spdlog::warn("registering again: {}", why);
  registered_ = false;
  loop_.Cancel(heartbeat_timer_);
  if (stream_ != nullptr) stream_->Cancel();
  stream_ = nullptr;
  Register();
}

void Session::Doubt(int64_t number, std::function<void(bool)> verdict) {
  if (number != number_) {
    verdict(false);
    return;
  }
  doubts_.push_back(std::move(verdict));
  Heartbeat();
}

void Session::EndDoubts(bool session_is_current) {
  for (const auto& verdict : std::exchange(doubts_, {})) {
    verdict(session_is_current);
  }
}

void Session::Deregister(absl::Duration timeout, std::function<void()> done) {
  const bool was_registered = registered_;
  ended_ = true;
  registered_ = false;
  loop_.Cancel(heartbeat_timer_);
  if (stream_ != nullptr) stream_->Cancel();
  if (!was_registered) {
    done();
    return;
  }
  v1::DeregisterWorkerRequest request;
  *request.mutable_fence() = self_.fence();
  client_.Call(
      client_.worker(), &WorkerCalls::DeregisterWorker, request, timeout,
      std::function<void(absl::StatusOr<v1::DeregisterWorkerResponse>)>(
          [done](const absl::StatusOr<v1::DeregisterWorkerResponse>& answer) {
            if (answer.ok()) {
              spdlog::info("deregistered");
            } else {
              spdlog::warn("not deregistered: {}", answer.status().ToString());
            }
            done();
          }));
}

}  // namespace autotp::agent
