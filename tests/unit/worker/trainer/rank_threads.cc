#include "tests/unit/worker/trainer/rank_threads.h"

#include <sched.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "coordinator/planner/planner.h"
#include "proto/support/status_macros.h"
#include "tests/support/no_keys.h"
#include "worker/checkpoint/manifest.h"

namespace autotp::testing {
namespace {

v1::ProcessGroup MakeGroup(const std::string& name, const std::string& key,
                           const std::vector<int>& ranks) {
  v1::ProcessGroup group;
  group.set_name(name);
  group.set_key(key);
  for (const int rank : ranks) group.add_ranks(rank);
  group.set_backend(ranks.size() == 1
                        ? v1::ProcessGroup::BACKEND_LOCAL
                        : v1::ProcessGroup::BACKEND_SHARED_MEMORY);
  return group;
}

void AddGroups(v1::TrainerTask& task) {
  const int tp = task.tensor_parallel_size();
  std::vector<int> tensor, data, world;
  for (int rank = 0; rank < task.world_size(); ++rank) {
    world.push_back(rank);
    if (rank / tp == task.rank() / tp) tensor.push_back(rank);
    if (rank % tp == task.rank() % tp) data.push_back(rank);
  }
  *task.add_groups() =
      MakeGroup("tp", absl::StrCat("tp/", task.rank() / tp), tensor);
  *task.add_groups() =
      MakeGroup("dp", absl::StrCat("dp/", task.rank() % tp), data);
  *task.add_groups() = MakeGroup("world", "world", world);
}

// What all ranks of a world share.
class Site {
 public:
  Site(const std::vector<v1::TrainerTask>& tasks, const WorldOptions& options)
      : options_(options), world_size_(static_cast<int>(tasks.size())) {
    for (const v1::TrainerTask& task : tasks) {
      for (const v1::ProcessGroup& group : task.groups()) {
        if (group.ranks_size() < 2 || memory_.contains(group.key())) continue;
        const absl::StatusOr<int> made =
            collective::CreateSharedMemory(group.ranks_size());
        memory_[group.key()] = made.ok() ? *made : -1;
      }
    }
  }
  ~Site() {
    for (const auto& [key, descriptor] : memory_) {
      if (descriptor >= 0) close(descriptor);
    }
  }

  // Each rank owns its descriptor.
  int Memory(const std::string& key) const {
    const auto found = memory_.find(key);
    return found == memory_.end() ? -1 : dup(found->second);
  }

  absl::StatusOr<v1::ReportPartResponse> Report(
      const v1::ReportPartRequest& request) {
    const absl::MutexLock lock(&mutex_);
    auto& parts = parts_[request.checkpoint()];
    parts[request.rank()] = request.part();
    v1::ReportPartResponse response;
    if (static_cast<int>(parts.size()) < world_size_) return response;
    response.set_complete(true);
    for (const auto& [rank, part] : parts) *response.add_parts() = part;
    return response;
  }

  void Commit(const std::string& checkpoint) {
    const absl::MutexLock lock(&mutex_);
    committed_.push_back(absl::StrCat(options_.checkpoint_folder, "/",
                                      checkpoint, "/",
                                      checkpoint::kManifestName));
  }

  void AddStep(const v1::StepMetrics& metrics) {
    const absl::MutexLock lock(&mutex_);
    steps_.push_back(metrics);
  }

  void Take(WorldResult& result) {
    const absl::MutexLock lock(&mutex_);
    result.steps = std::move(steps_);
    result.committed = std::move(committed_);
  }

  const WorldOptions& options() const { return options_; }

 private:
  const WorldOptions& options_;
  const int world_size_;
  std::map<std::string, int> memory_;
  absl::Mutex mutex_;
  std::map<std::string, std::map<int, v1::Part>> parts_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> committed_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::StepMetrics> steps_ ABSL_GUARDED_BY(mutex_);
};

class FakeHost final : public trainer::TrainerHost {
 public:
  FakeHost(Site& site, int rank) : site_(site), rank_(rank) {}

  collective::KeyStore& keys() override { return keys_; }
  int SharedMemory(const std::string& key) override {
    return site_.Memory(key);
  }
  trainer::Wishes PollWishes() override {
    const auto& wishes = site_.options().wishes;
    return wishes == nullptr ? trainer::Wishes{} : wishes(rank_, next_step_++);
  }
  void ReportReady(int64_t first_step) override { next_step_ = first_step; }
  void ReportStep(const v1::StepMetrics& metrics) override {
    site_.AddStep(metrics);
  }
  absl::StatusOr<v1::BeginCheckpointResponse> BeginCheckpoint(
      int64_t step) override {
    v1::BeginCheckpointResponse response;
    response.set_checkpoint(absl::StrCat("step-", step));
    response.set_path(absl::StrCat(site_.options().checkpoint_folder, "/",
                                   response.checkpoint()));
    return response;
  }
  absl::StatusOr<v1::ReportPartResponse> ReportPart(
      const v1::ReportPartRequest& request) override {
    return site_.Report(request);
  }
  absl::Status CommitCheckpoint(
      const v1::CommitCheckpointRequest& request) override {
    site_.Commit(request.checkpoint());
    return absl::OkStatus();
  }

 private:
  Site& site_;
  const int rank_;
  NoKeys keys_;
  int64_t next_step_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<v1::TrainerTask>> PlanTasks(
    const v1::JobSpec& spec) {
  const planner::PlanResult plan = planner::MakePlan(spec, {});
  if (!plan.valid) {
    std::string errors;
    for (const v1::Diagnostic& diagnostic : plan.diagnostics)
      absl::StrAppend(&errors, diagnostic.message(), "\n");
    return absl::InvalidArgumentError(errors);
  }
  std::vector<v1::TrainerTask> tasks;
  const int tp = plan.planned.local_programs_size();
  for (int rank = 0; rank < spec.world_size(); ++rank) {
    v1::TrainerTask task;
    task.set_job("jobs/test");
    task.set_attempt(1);
    task.set_rank(rank);
    task.set_world_size(spec.world_size());
    task.set_tensor_parallel_size(tp);
    AddGroups(task);
    *task.mutable_program() = plan.planned.local_programs(rank % tp);
    *task.mutable_config() = plan.planned.config();
    *task.mutable_model() = spec.model();
    *task.mutable_data() = spec.data();
    task.set_sequence_length(spec.run().sequence_length());
    task.set_max_steps(spec.run().max_steps());
    task.set_seed(spec.run().seed());
    task.set_checkpoint_every_steps(spec.checkpoint().every_steps());
    *task.mutable_export_() = plan.planned.export_();
    task.set_vocabulary_size(plan.planned.vocabulary_size());
    if (spec.run().has_evaluation())
      *task.mutable_evaluation() = spec.run().evaluation();
    task.set_target_loss(spec.run().target_loss());
    tasks.push_back(std::move(task));
  }
  return tasks;
}

absl::Status WorldResult::FirstError() const {
  for (const auto& rank : ranks) {
    if (!rank.ok()) return rank.status();
  }
  return absl::OkStatus();
}

WorldResult RunWorld(const std::vector<v1::TrainerTask>& tasks,
                     const WorldOptions& options) {
  // One processor, so one thread a rank: two that spin for each other beside
  // other tests take seconds.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof(one), &one);
  Site site(tasks, options);
  WorldResult result;
  result.ranks.assign(tasks.size(), trainer::TrainResult{});
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < tasks.size(); ++rank) {
    threads.emplace_back([&, rank] {
      FakeHost host(site, static_cast<int>(rank));
      result.ranks[rank] = trainer::Train(tasks[rank], host);
    });
  }
  for (std::thread& thread : threads) thread.join();
  site.Take(result);
  return result;
}

}  // namespace autotp::testing
