// session.h -- a fake agent's standing with the coordinator, as
// worker/agent/session.h has it: registers, beats, repeats its calls until
// they are answered, and finds out what an ABORTED means.
#ifndef AUTOTP_TESTS_SIM_SESSION_H_
#define AUTOTP_TESTS_SIM_SESSION_H_

#include <compare>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/sim/network.h"
#include "tests/sim/world.h"

namespace autotp::sim {

struct AttemptKey {
  std::string job;
  int32_t attempt = 0;
  int64_t group_epoch = 0;
  auto operator<=>(const AttemptKey&) const = default;
};

struct SessionOptions {
  std::string worker;
  std::string incarnation;
  std::string device;
  int slots = 1;
};

struct SessionEvents {
  std::function<void(const v1::Assignment&)> on_assignment;
  std::function<void()> on_refused;  // never again under this incarnation
};

class Session {
 public:
  Session(World& world, Network& network, SessionOptions options,
          SessionEvents events);

  void Start() { Register(); }
  void Stop() { stopped_ = true; }
  void Deregister();
  bool stopped() const { return stopped_; }
  const SessionOptions& options() const { return options_; }
  Link& link() { return link_; }
  // There may be a newer assignment.
  void Fetch();

  // Until answered, or while `wanted`. `done` gets ABORTED when the attempt
  // is over.
  template <typename Request, typename Done>
  void Call(const AttemptKey& attempt, Request request,
            std::function<bool()> wanted, Done done) {
    if (stopped_ || !wanted()) return;
    const auto again = [=, this] { Call(attempt, request, wanted, done); };
    if (!registered_) return world_.timeline.After(kRetry, again);
    *request.mutable_fence() = FenceOf(attempt);
    network_.Call(link_, request,
                  [=, this, number = number_](const auto& answer) {
                    if (stopped_ || !wanted()) return;
                    if (absl::IsUnavailable(answer.status())) {
                      world_.timeline.After(kRetry, again);
                    } else if (absl::IsAborted(answer.status())) {
                      Doubt(number, [=](bool is_stale) {
                        if (!is_stale) return again();
                        if (wanted()) done(answer);
                      });
                    } else {
                      done(answer);
                    }
                  });
  }

 private:
  static constexpr absl::Duration kRetry = absl::Milliseconds(300);

  v1::Fence FenceOf(const AttemptKey& attempt) const;
  void Register();
  void OnRegistered(const absl::StatusOr<v1::RegisterWorkerResponse>& answer);
  void Beat();
  void BeatLater();
  void OnBeat(int64_t number, const absl::StatusOr<v1::HeartbeatResponse>&);
  void Renew();
  void Doubt(int64_t number, std::function<void(bool is_stale)> verdict);
  void EndDoubts(bool session_is_current);

  World& world_;
  Network& network_;
  const SessionOptions options_;
  const SessionEvents events_;
  Link link_;
  v1::Fence fence_;
  bool stopped_ = false;
  bool registered_ = false;
  bool beat_is_out_ = false;
  int64_t number_ = 0;  // +1 with every registration
  int64_t beats_ = 0;   // the newest planned beat; older plans are void
  int64_t generation_ = 0;
  std::vector<std::function<void(bool)>> doubts_;
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_SESSION_H_
