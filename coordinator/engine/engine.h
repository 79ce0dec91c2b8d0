// engine.h -- the one thread that owns the coordinator's state.
//
// Flow: RPC handlers and timers post events -> the engine applies a batch of
// them to core -> commits what they want written, in one transaction -> wakes
// watchers and sends the answers. Nobody hears of what is not durable.
//
// When the store fails, nothing is decided any more: changes and questions
// get UNAVAILABLE, heartbeats and progress still count, the pending writes
// are tried again until they succeed. No job fails for it.
//
// Threading: posting from any thread; Stop() from the owner only. Callbacks
// run on the engine's thread and must not block.
#ifndef AUTOTP_COORDINATOR_ENGINE_ENGINE_H_
#define AUTOTP_COORDINATOR_ENGINE_ENGINE_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/core/core.h"
#include "coordinator/engine/telemetry.h"
#include "coordinator/engine/topics.h"
#include "coordinator/store/state_store.h"
#include "proto/support/clock.h"

namespace autotp::engine {

// What answers and watchers may look at, and where they may wait.
struct View {
  const core::Core& core;
  const Telemetry& telemetry;
  Topics& topics;
  absl::Time now;
};

struct EngineOptions {
  size_t queue_max = 16'384;
  size_t batch_max = 256;
  absl::Duration tick = absl::Milliseconds(100);
  absl::Duration store_retry = absl::Seconds(1);
};

// What the engine has others do. Called on its thread; must not block.
struct EngineHooks {
  std::function<void(const std::string& line)> log;
  std::function<void(const std::string& folder)> remove_folder;
};

class Engine {
 public:
  Engine(core::Core core, std::unique_ptr<store::StateStore> store,
         const Clock& clock, EngineHooks hooks, EngineOptions options = {});
  ~Engine();  // Stop()

  // Applies the request to core; `done` gets the answer once its effects are
  // durable: always, and on the engine's thread unless posting fails.
  //   UNAVAILABLE         the store fails, or the coordinator stops
  //   RESOURCE_EXHAUSTED  the queue is full
  template <typename Response, typename Request>
  void Change(Request request,
              std::function<void(absl::StatusOr<Response>)> done);

  // Runs `ask` when all that was posted before is durable.
  // The same errors; `ask` is not run then.
  absl::Status Ask(std::function<void(const View&)> ask,
                   std::function<void(const absl::Status&)> failed);

  // Answers what is queued and all who wait, then joins. Idempotent.
  void Stop();

 private:
  class Event {
   public:
    virtual ~Event() = default;
    // May run although the store fails: what it changes is not durable.
    virtual bool is_volatile() const { return false; }
    virtual void Apply(Engine& engine, absl::Time now) = 0;
    virtual void Answer(const absl::Status& committed, const View& view) = 0;
  };
  template <typename Request, typename Response>
  class ChangeEvent;
  class AskEvent;

  absl::Status Post(std::unique_ptr<Event> event);
  void Run();
  void RunBatch(std::vector<std::unique_ptr<Event>> batch, bool tick);
  absl::Status CommitPending(absl::Time now);
  void Publish(const View& view);

  // Telemetry that rides on requests (engine_telemetry.cc).
  absl::StatusOr<v1::UploadLogsResponse> ApplyRequest(
      absl::Time now, const v1::UploadLogsRequest& request);
  absl::StatusOr<v1::ReportProgressResponse> ApplyRequest(
      absl::Time now, const v1::ReportProgressRequest& request);
  absl::StatusOr<v1::ReportTrainerResponse> ApplyRequest(
      absl::Time now, const v1::ReportTrainerRequest& request);
  template <typename Request>
  auto ApplyRequest(absl::Time now, const Request& request) {
    return core_.Apply(now, request, pending_);
  }

  const EngineOptions options_;
  const Clock& clock_;
  const EngineHooks hooks_;

  // Engine thread only.
  core::Core core_;
  std::unique_ptr<store::StateStore> store_;
  Telemetry telemetry_;
  Topics topics_;
  core::Effects pending_;  // not durable yet
  bool store_failing_ = false;
  absl::Time store_retry_time_ = absl::InfinitePast();
  std::set<std::string> changed_logs_;  // topics

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Event>> queue_;  // guarded by mutex_
  bool stopping_ = false;                     // guarded by mutex_
  std::thread thread_;  // last: starts when the rest is ready
};

template <typename Request, typename Response>
class Engine::ChangeEvent final : public Event {
 public:
  ChangeEvent(Request request,
              std::function<void(absl::StatusOr<Response>)> done)
      : request_(std::move(request)), done_(std::move(done)) {}

  bool is_volatile() const override {
    return std::is_same_v<Request, v1::HeartbeatRequest> ||
           std::is_same_v<Request, v1::ReportProgressRequest> ||
           std::is_same_v<Request, v1::UploadLogsRequest> ||
           std::is_same_v<Request, v1::SetKeyRequest>;
  }
  void Apply(Engine& engine, absl::Time now) override {
    response_ = engine.ApplyRequest(now, request_);
  }
  void Answer(const absl::Status& committed, const View&) override {
    if (committed.ok()) {
      done_(std::move(response_));
    } else {
      done_(committed);
    }
  }

 private:
  const Request request_;
  const std::function<void(absl::StatusOr<Response>)> done_;
  absl::StatusOr<Response> response_ = absl::UnknownError("not applied");
};

template <typename Response, typename Request>
void Engine::Change(Request request,
                    std::function<void(absl::StatusOr<Response>)> done) {
  absl::Status posted = Post(std::make_unique<ChangeEvent<Request, Response>>(
      std::move(request), done));
  if (!posted.ok()) done(posted);
}

}  // namespace autotp::engine

#endif  // AUTOTP_COORDINATOR_ENGINE_ENGINE_H_
