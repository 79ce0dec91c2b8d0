// test_server.h -- a coordinator in the test's process: the real server on a
// unix socket, engine and core; a planner, a disk and a clock of the test's.
//
// Every wait has a deadline; nothing depends on how fast the machine is.
#ifndef AUTOTP_TESTS_RPC_TEST_SERVER_H_
#define AUTOTP_TESTS_RPC_TEST_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "autotp/v1/checkpoint_service.grpc.pb.h"
#include "autotp/v1/cluster_service.grpc.pb.h"
#include "autotp/v1/job_service.grpc.pb.h"
#include "autotp/v1/rendezvous_service.grpc.pb.h"
#include "autotp/v1/worker_service.grpc.pb.h"
#include "coordinator/engine/engine.h"
#include "coordinator/engine/worker_pool.h"
#include "coordinator/rpc/server.h"
#include "coordinator/store/memory_store.h"
#include "proto/support/grpc_status.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace autotp::testing {

inline constexpr absl::Duration kPatience = absl::Seconds(20);

// Plans by the text of the DeepSpeed document: "invalid" has two errors and a
// note, "tp2" a tensor-parallel size of 2, anything else one of 1.
class FakePlanner {
 public:
  planner::PlanResult Plan(const v1::JobSpec& spec,
                           const planner::PlanOptions& options);
  // Until Release(), plans are not made; Plan() blocks.
  void Hold();
  void Release();
  int calls();
  // False: fewer than `count` calls came in time.
  bool WaitForCalls(int count);
  bool checked_run_settings();  // of the last call

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  int calls_ = 0;
  bool checked_run_settings_ = false;
};

struct TestServerOptions {
  engine::EngineOptions engine = {.tick = absl::Milliseconds(2)};
  size_t pool_threads = 2;
  size_t pool_queue = 64;
  size_t jobs_max = 1'000;
};

class TestServer {
 public:
  explicit TestServer(TestServerOptions options = {});
  ~TestServer() { Stop(); }

  // As a coordinator ends; clients stay. Start() is the next one, on the same
  // disk and socket. Calls under way are cancelled after `patience`.
  void Stop(absl::Duration patience = kPatience);
  void Start();

  v1::JobService::Stub& jobs() { return *jobs_; }
  v1::CheckpointService::Stub& checkpoints() { return *checkpoints_; }
  v1::WorkerService::Stub& workers() { return *workers_; }
  v1::RendezvousService::Stub& rendezvous() { return *rendezvous_; }
  v1::ClusterService::Stub& cluster() { return *cluster_; }

  FakeClock& clock() { return clock_; }
  FakePlanner& planner() { return planner_; }
  engine::Engine& engine() { return *engine_; }
  store::MemoryDisk& disk() { return *disk_; }
  const TempDir& folder() const { return folder_; }
  std::string address() const { return "unix:" + (folder_ / "c.sock"); }
  rpc::JobMaker job_maker();

  // Runs `body` on the engine's thread and waits for it.
  void OnEngine(const std::function<void(const engine::View&)>& body);
  // Asks the engine until as many calls wait; false: it took too long.
  bool WaitForWaiters(size_t count);
  // Folders that were to be removed.
  std::vector<std::string> removed();

 private:
  const TestServerOptions options_;
  TempDir folder_;
  FakeClock clock_;
  FakePlanner planner_;
  std::shared_ptr<store::MemoryDisk> disk_ =
      std::make_shared<store::MemoryDisk>();
  std::unique_ptr<engine::WorkerPool> pool_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::CheckpointService::Stub> checkpoints_;
  std::unique_ptr<v1::WorkerService::Stub> workers_;
  std::unique_ptr<v1::RendezvousService::Stub> rendezvous_;
  std::unique_ptr<v1::ClusterService::Stub> cluster_;
  std::mutex mutex_;
  std::vector<std::string> removed_;  // guarded by mutex_
};

inline void SetPatience(grpc::ClientContext& context,
                        absl::Duration patience = kPatience) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
  context.set_wait_for_ready(true);  // the server may have just restarted
}

// One unary call: Call(server.jobs(), &v1::JobService::Stub::GetJob, request).
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                           const Request&,
                                                           Response*),
                              const Request& request) {
  grpc::ClientContext context;
  SetPatience(context);
  Response response;
  const absl::Status status =
      FromGrpcStatus((stub.*method)(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

// A stream from the server, read message by message.
template <typename Response>
class Stream {
 public:
  template <typename Stub, typename Request>
  Stream(Stub& stub,
         std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
             grpc::ClientContext*, const Request&),
         const Request& request) {
    SetPatience(context_);
    reader_ = (stub.*method)(&context_, request);
  }
  ~Stream() {
    if (!finished_) {
      context_.TryCancel();
      Finish().IgnoreError();
    }
  }

  // None: the stream has ended.
  std::optional<Response> Next() {
    Response response;
    if (!reader_->Read(&response)) return std::nullopt;
    return response;
  }
  void Cancel() { context_.TryCancel(); }
  // After what is still to be read.
  absl::Status Finish() {
    finished_ = true;
    while (Next()) {
    }
    return FromGrpcStatus(reader_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
  bool finished_ = false;
};

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_RPC_TEST_SERVER_H_
