// network.h -- between workers and the coordinator: late, lost, doubled.
//
// A lost request and a lost answer look the same to the caller: UNAVAILABLE
// after a while. A copy of a request may arrive again much later, when the
// world has moved on, or come from an era before its sender's: the state must
// not change then (invariants.h).
#ifndef AUTOTP_TESTS_SIM_NETWORK_H_
#define AUTOTP_TESTS_SIM_NETWORK_H_

#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/sim/coordinator.h"
#include "tests/sim/world.h"

namespace autotp::sim {

// One in so many; 0: never.
struct NetworkFaults {
  int lost = 0;
  int doubled = 0;
  int late = 0;
};

// What connects one process; it can be cut.
struct Link {
  bool cut = false;
};

class Network {
 public:
  Network(World& world, Coordinator& coordinator, NetworkFaults faults)
      : world_(world), coordinator_(coordinator), faults_(faults) {}

  void Heal() { faults_ = {}; }

  // `done` gets the answer, in any case.
  template <typename Request, typename Done>
  void Call(const Link& link, Request request, Done done) {
    using Answer = decltype(coordinator_.Answer(request));
    if (world_.chance.OneIn(faults_.doubled)) SendAgain(request);
    const auto lose = [this, done] {
      world_.timeline.After(kTimeout, [done] {
        done(Answer(absl::UnavailableError("no answer")));
      });
    };
    const bool request_lost = Loses();
    const bool answer_lost = Loses();
    world_.timeline.After(Delay(), [this, &link, request = std::move(request),
                                    done, lose, request_lost, answer_lost] {
      if (link.cut || request_lost) return lose();
      Answer answer = coordinator_.Answer(request);
      if (answer_lost) return lose();
      world_.timeline.After(Delay(),
                            [&link, answer = std::move(answer), done, lose] {
                              if (link.cut) return lose();
                              done(answer);
                            });
    });
  }

 private:
  static constexpr absl::Duration kTimeout = absl::Seconds(2);

  bool Loses() { return world_.chance.OneIn(faults_.lost); }
  absl::Duration Delay() {
    return world_.chance.OneIn(faults_.late)
               ? world_.chance.Between(absl::Seconds(1), absl::Seconds(15))
               : world_.chance.Between(absl::Milliseconds(1),
                                       absl::Milliseconds(40));
  }

  template <typename Request>
  void SendAgain(Request request) {
    // Whoever registers under another name is another process: no copy.
    if constexpr (requires { request.mutable_fence(); } &&
                  !std::is_same_v<Request, v1::RegisterWorkerRequest>) {
      if (world_.chance.OneIn(2)) MakeStale(*request.mutable_fence());
    }
    const absl::Duration delay =
        world_.chance.Between(absl::Milliseconds(1), absl::Seconds(40));
    world_.timeline.After(delay, [this, request = std::move(request)] {
      // Nobody waits for this answer.
      coordinator_.Answer(request).status().IgnoreError();
    });
  }
  // As an earlier era of the sender would have said it.
  void MakeStale(v1::Fence& fence);

  World& world_;
  Coordinator& coordinator_;
  NetworkFaults faults_;
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_NETWORK_H_
