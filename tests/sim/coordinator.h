// coordinator.h -- core with a store, as the engine runs it: what is written
// becomes durable before anybody hears of it.
//
// Flow: network.h brings requests -> core -> the memory store -> invariants
// -> the answer. It may crash between events, or between deciding and
// writing; the next one reads the rows and has a higher epoch.
#ifndef AUTOTP_TESTS_SIM_COORDINATOR_H_
#define AUTOTP_TESTS_SIM_COORDINATOR_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "coordinator/core/core.h"
#include "coordinator/store/memory_store.h"
#include "tests/sim/invariants.h"
#include "tests/sim/world.h"

namespace autotp::sim {

class Coordinator {
 public:
  Coordinator(World& world, const core::Policy& policy)
      : world_(world), policy_(policy) {}

  void Start();
  void Crash();
  // The next event that writes is decided, but the process dies before its
  // rows are durable.
  void CrashAtNextWrite() { crash_at_next_write_ = true; }
  bool up() const { return core_.has_value(); }
  const core::Core& core() const { return *core_; }
  int num_crashes() const { return num_crashes_; }

  // Called with the name of a worker that has a new assignment.
  std::function<void(const std::string&)> on_assignment;

  // What an RPC of this request would be answered.
  //   UNAVAILABLE  no coordinator is there
  template <typename Request>
  auto Answer(const Request& request) {
    using Result = decltype(Decide(request, std::declval<core::Effects&>()));
    if (!core_) return Result(absl::UnavailableError("down"));
    const v1::Fence* fence = nullptr;
    if constexpr (requires { request.fence(); }) fence = &request.fence();
    if constexpr (std::is_same_v<Request, v1::RegisterWorkerRequest>) {
      fence = nullptr;  // it asks for a place in the present
    }
    core::Effects effects;
    Result answer = Decide(request, effects);
    Note(request, answer.status(), fence);
    if (!Publish(effects, fence)) return Result(absl::UnavailableError("down"));
    return answer;
  }

 private:
  template <typename Request>
  auto Decide(const Request& request, core::Effects& effects) {
    return core_->Apply(world_.timeline.now(), request, effects);
  }
  auto Decide(const v1::WatchAssignmentRequest& request, core::Effects&) {
    return core_->AssignmentAfter(request.fence(), request.after_generation());
  }
  auto Decide(const v1::GetKeyRequest& request, core::Effects&) {
    return core_->FindKey(request);
  }

  template <typename Request>
  void Note(const Request& request, const absl::Status& status,
            const v1::Fence* fence) {
    if constexpr (std::is_same_v<Request, core::Submission>) {
      Note("CreateJob", request.request.request_id(), status, fence);
    } else if constexpr (!std::is_same_v<Request, v1::HeartbeatRequest> &&
                         !std::is_same_v<Request, v1::GetKeyRequest>) {
      Note(Request::descriptor()->name(), Describe(request), status, fence);
    }
  }
  void Note(const std::string& call, const std::string& detail,
            const absl::Status& status, const v1::Fence* fence);
  static std::string Describe(const v1::ReportTrainerRequest& request);
  static std::string Describe(const v1::CancelJobRequest& request);
  template <typename Request>
  static std::string Describe(const Request& request) {
    if constexpr (requires { request.rank(); }) {
      return absl::StrCat("rank ", request.rank());
    } else if constexpr (requires { request.checkpoint(); }) {
      return request.checkpoint();
    } else {
      return "";
    }
  }

  // False: the process has died before the effects were durable.
  bool Publish(const core::Effects& effects, const v1::Fence* fence);
  void Observe(const core::Effects& effects, const v1::Fence* fence);
  void TickLater(int64_t life);

  World& world_;
  const core::Policy policy_;
  const std::shared_ptr<store::MemoryDisk> disk_ =
      std::make_shared<store::MemoryDisk>();
  std::unique_ptr<store::StateStore> store_;
  std::optional<core::Core> core_;
  std::optional<core::State> durable_;  // as it was at the last clean crash
  Invariants invariants_;
  bool crash_at_next_write_ = false;
  int num_crashes_ = 0;
};

}  // namespace autotp::sim

#endif  // AUTOTP_TESTS_SIM_COORDINATOR_H_
