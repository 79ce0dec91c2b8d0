#include "coordinator/engine/engine.h"

#include <pthread.h>

#include <chrono>

#include "absl/strings/str_cat.h"

namespace autotp::engine {

class Engine::AskEvent final : public Event {
 public:
  AskEvent(std::function<void(const View&)> ask,
           std::function<void(const absl::Status&)> failed)
      : ask_(std::move(ask)), failed_(std::move(failed)) {}

  void Apply(Engine&, absl::Time) override {}
  void Answer(const absl::Status& committed, const View& view) override {
    if (committed.ok()) {
      ask_(view);
    } else {
      failed_(committed);
    }
  }

 private:
  const std::function<void(const View&)> ask_;
  const std::function<void(const absl::Status&)> failed_;
};

Engine::Engine(core::Core core, std::unique_ptr<store::StateStore> store,
               const Clock& clock, EngineHooks hooks, EngineOptions options)
    : options_(options),
      clock_(clock),
      hooks_(std::move(hooks)),
      core_(std::move(core)),
      store_(std::move(store)),
      thread_([this] { Run(); }) {}

Engine::~Engine() { Stop(); }

absl::Status Engine::Post(std::unique_ptr<Event> event) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return absl::UnavailableError("the coordinator stops");
    if (queue_.size() >= options_.queue_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the coordinator has ", options_.queue_max,
                       " requests to answer; try again"));
    }
    queue_.push_back(std::move(event));
  }
  wake_.notify_one();
  return absl::OkStatus();
}

absl::Status Engine::Ask(std::function<void(const View&)> ask,
                         std::function<void(const absl::Status&)> failed) {
  return Post(std::make_unique<AskEvent>(std::move(ask), std::move(failed)));
}

void Engine::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Engine::Run() {
  pthread_setname_np(pthread_self(), "autotp-engine");
  using SteadyClock = std::chrono::steady_clock;
  const auto tick = absl::ToChronoNanoseconds(options_.tick);
  auto next_tick = SteadyClock::now();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait_until(lock, next_tick,
                     [this] { return stopping_ || !queue_.empty(); });
    std::vector<std::unique_ptr<Event>> batch;
    while (!queue_.empty() && batch.size() < options_.batch_max) {
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    const bool last = stopping_ && queue_.empty();
    lock.unlock();
    const auto now = SteadyClock::now();
    const bool is_tick = now >= next_tick;
    if (is_tick) next_tick = now + tick;
    RunBatch(std::move(batch), is_tick);
    lock.lock();
    if (last && queue_.empty()) break;
  }
  lock.unlock();
  topics_.StopAll(absl::UnavailableError("the coordinator stops"));
}

void Engine::RunBatch(std::vector<std::unique_ptr<Event>> batch, bool tick) {
  const absl::Time now = clock_.Now();
  const View view{core_, telemetry_, topics_, now};
  std::vector<bool> applied(batch.size(), false);
  const bool was_failing = store_failing_;
  if (store_failing_) CommitPending(now).IgnoreError();  // said when it fails
  for (size_t i = 0; i < batch.size(); ++i) {
    if (store_failing_ && !batch[i]->is_volatile()) continue;
    batch[i]->Apply(*this, now);
    applied[i] = true;
  }
  if (tick && !store_failing_) core_.Apply(now, core::Tick(), pending_);
  const absl::Status committed =
      store_failing_ ? absl::UnavailableError("the state store fails; retry")
                     : CommitPending(now);
  if (committed.ok()) Publish(view);
  for (size_t i = 0; i < batch.size(); ++i) {
    const bool durable =
        committed.ok() || (applied[i] && batch[i]->is_volatile());
    batch[i]->Answer(durable ? absl::OkStatus() : committed, view);
  }
  if (tick) topics_.NotifyLate(now, view);
  if (was_failing && !store_failing_) topics_.NotifyAll(view);
}

absl::Status Engine::CommitPending(absl::Time now) {
  if (pending_.writes.empty()) return absl::OkStatus();
  const absl::Status refused =
      absl::UnavailableError("the state store fails; retry");
  if (store_failing_ && now < store_retry_time_) return refused;
  const absl::Status status = store_->Commit(pending_.writes);
  if (status.ok()) {
    if (store_failing_) hooks_.log("the state store works again");
    store_failing_ = false;
    pending_.writes.clear();
    return status;
  }
  if (!store_failing_) {
    hooks_.log(
        absl::StrCat("the state store fails, nothing is decided until "
                     "it works again: ",
                     status.message()));
  }
  store_failing_ = true;
  store_retry_time_ = now + options_.store_retry;
  return refused;
}

void Engine::Publish(const View& view) {
  const core::Effects effects = std::exchange(pending_, {});
  for (const std::string& line : effects.log_lines) hooks_.log(line);
  for (const std::string& folder : effects.removable_folders) {
    hooks_.remove_folder(folder);
  }
  for (const std::string& job : effects.jobs) {
    topics_.Notify(JobTopic(job), view);
    topics_.Notify(KeysTopic(job), view);
  }
  for (const std::string& job : effects.keys) {
    topics_.Notify(KeysTopic(job), view);
  }
  for (const std::string& worker : effects.workers) {
    topics_.Notify(WorkerTopic(worker), view);
  }
  for (const std::string& topic : std::exchange(changed_logs_, {})) {
    topics_.Notify(topic, view);
  }
}

}  // namespace autotp::engine
