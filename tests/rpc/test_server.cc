#include "tests/rpc/test_server.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "coordinator/core/ledger.h"
#include "proto/support/check.h"

namespace autotp::testing {
namespace {

std::string NextUid() {
  static std::atomic<uint64_t> next = 1;
  return absl::StrFormat("%016x", next++);
}

void AddDiagnostic(planner::PlanResult& result,
                   v1::Diagnostic::Severity severity,
                   const std::string& message) {
  v1::Diagnostic& diagnostic = result.diagnostics.emplace_back();
  diagnostic.set_severity(severity);
  diagnostic.set_file("ds.json");
  diagnostic.set_line(3);
  diagnostic.set_column(5);
  diagnostic.set_json_pointer("/optimizer");
  diagnostic.set_message(message);
}

}  // namespace

planner::PlanResult FakePlanner::Plan(const v1::JobSpec& spec,
                                      const planner::PlanOptions& options) {
  {
    std::unique_lock lock(mutex_);
    ++calls_;
    checked_run_settings_ = options.check_run_settings;
    changed_.notify_all();
    changed_.wait_for(lock, absl::ToChronoMilliseconds(kPatience),
                      [this] { return !held_; });
  }
  planner::PlanResult result;
  if (spec.config_json() == "invalid") {
    AddDiagnostic(result, v1::Diagnostic::SEVERITY_ERROR, "first error");
    AddDiagnostic(result, v1::Diagnostic::SEVERITY_NOTE, "a note");
    AddDiagnostic(result, v1::Diagnostic::SEVERITY_ERROR, "second error");
    return result;
  }
  result.valid = true;
  result.effective_config_json = "{}";
  const int tensor_parallel = spec.config_json() == "tp2" ? 2 : 1;
  v1::Plan& plan = *result.planned.mutable_plan();
  plan.set_tensor_parallel_size(tensor_parallel);
  plan.set_data_parallel_size(spec.world_size() / tensor_parallel);
  plan.set_world_size(spec.world_size());
  plan.set_digest("digest");
  plan.add_classes()->set_name("attention");
  result.planned.mutable_config()->set_train_batch_size(8);
  for (int i = 0; i < tensor_parallel; ++i) {
    result.planned.add_local_programs();
  }
  return result;
}

void FakePlanner::Hold() {
  std::lock_guard lock(mutex_);
  held_ = true;
}

void FakePlanner::Release() {
  std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

int FakePlanner::calls() {
  std::lock_guard lock(mutex_);
  return calls_;
}

bool FakePlanner::WaitForCalls(int count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, absl::ToChronoMilliseconds(kPatience),
                           [&] { return calls_ >= count; });
}

bool FakePlanner::checked_run_settings() {
  std::lock_guard lock(mutex_);
  return checked_run_settings_;
}

TestServer::TestServer(TestServerOptions options) : options_(options) {
  Start();
  grpc::ChannelArguments arguments;
  // A server that was started again is found at once.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 10);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto channel = grpc::CreateCustomChannel(
      address(), grpc::InsecureChannelCredentials(), arguments);
  jobs_ = v1::JobService::NewStub(channel);
  checkpoints_ = v1::CheckpointService::NewStub(channel);
  workers_ = v1::WorkerService::NewStub(channel);
  rendezvous_ = v1::RendezvousService::NewStub(channel);
  cluster_ = v1::ClusterService::NewStub(channel);
}

void TestServer::Start() {
  auto store = store::OpenMemoryStore(disk_, NextUid());
  AUTOTP_CHECK(store.ok(), store.status().ToString());
  core::Policy policy;
  policy.jobs_max = options_.jobs_max;
  auto rows = (*store)->ReadAll();
  AUTOTP_CHECK(rows.ok(), rows.status().ToString());
  auto state =
      core::LoadState((*store)->identity(), policy, *rows, clock_.Now());
  AUTOTP_CHECK(state.ok(), state.status().ToString());
  engine::EngineHooks hooks;
  hooks.log = [](const std::string&) {};
  hooks.remove_folder = [this](const std::string& path) {
    std::lock_guard lock(mutex_);
    removed_.push_back(path);
  };
  pool_ = std::make_unique<engine::WorkerPool>(options_.pool_threads,
                                               options_.pool_queue);
  engine_ = std::make_unique<engine::Engine>(core::Core(*std::move(state)),
                                             *std::move(store), clock_,
                                             std::move(hooks), options_.engine);
  auto server = rpc::Server::Start(job_maker(), {{address()}, "test"});
  AUTOTP_CHECK(server.ok(), server.status().ToString());
  server_ = *std::move(server);
}

void TestServer::Stop(absl::Duration patience) {
  if (server_ == nullptr) return;
  planner_.Release();
  engine_->Stop();
  pool_->Stop();
  server_->Shutdown(patience);
  server_.reset();
  engine_.reset();
  pool_.reset();
}

rpc::JobMaker TestServer::job_maker() {
  return {*engine_, *pool_,
          [this](const v1::JobSpec& spec, const planner::PlanOptions& options) {
            return planner_.Plan(spec, options);
          },
          NextUid};
}

void TestServer::OnEngine(
    const std::function<void(const engine::View&)>& body) {
  absl::Notification done;
  const absl::Status posted = engine_->Ask(
      [&](const engine::View& view) {
        body(view);
        done.Notify();
      },
      [&](const absl::Status& status) {
        AUTOTP_CHECK(false, status.ToString());
      });
  AUTOTP_CHECK(posted.ok(), posted.ToString());
  done.WaitForNotification();
}

bool TestServer::WaitForWaiters(size_t count) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    size_t waiting = 0;
    OnEngine([&](const engine::View& view) { waiting = view.topics.size(); });
    if (waiting == count) return true;
  }
  return false;
}

std::vector<std::string> TestServer::removed() {
  std::lock_guard lock(mutex_);
  return removed_;
}

}  // namespace autotp::testing
