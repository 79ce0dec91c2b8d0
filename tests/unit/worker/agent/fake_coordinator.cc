#include "tests/unit/worker/agent/fake_coordinator.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace autotp::agent {
namespace {
using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;
constexpr std::chrono::seconds kPatience(20);
}  // namespace

class FakeCoordinator::Worker final : public v1::WorkerService::Service {
 public:
  explicit Worker(FakeCoordinator& owner) : o_(owner) {}

  // REQUIRES: mutex_ is held.
  Status Check(const v1::Fence& fence) const {
    if (fence.coordinator_epoch() != o_.epoch_ ||
        fence.incarnation() != o_.incarnation_) {
      return Status(StatusCode::ABORTED, "stale session");
    }
    if (!fence.job().empty() && fence.attempt() < o_.attempt_min_) {
      return Status(StatusCode::ABORTED, "stale attempt");
    }
    return Status::OK;
  }

 private:
  // Runs `act` if the request's fence is current.
  template <typename Request, typename Act>
  Status Guarded(const Request* request, Act act) {
    std::lock_guard lock(o_.mutex_);
    const Status status = Check(request->fence());
    if (!status.ok()) return status;
    act();
    o_.changed_.notify_all();
    return Status::OK;
  }

  Status RegisterWorker(ServerContext*,
                        const v1::RegisterWorkerRequest* request,
                        v1::RegisterWorkerResponse* response) override {
    std::lock_guard lock(o_.mutex_);
    if (!o_.refusal_.ok()) return o_.refusal_;
    o_.incarnation_ = request->fence().incarnation();
    o_.seen_.registrations.push_back(*request);
    *response->mutable_fence() = request->fence();
    response->mutable_fence()->set_cluster_uid("test");
    response->mutable_fence()->set_coordinator_epoch(o_.epoch_);
    response->mutable_heartbeat_interval()->set_nanos(20'000'000);
    o_.changed_.notify_all();
    return Status::OK;
  }

  Status Heartbeat(ServerContext*, const v1::HeartbeatRequest* request,
                   v1::HeartbeatResponse* response) override {
    return Guarded(request, [&] {
      ++o_.seen_.num_heartbeats;
      response->set_coordinator_epoch(o_.epoch_);
      response->set_assignment_generation(o_.assignment_.generation());
    });
  }

  Status WatchAssignment(
      ServerContext* context, const v1::WatchAssignmentRequest* request,
      grpc::ServerWriter<v1::WatchAssignmentResponse>* writer) override {
    int64_t sent = request->after_generation();
    std::unique_lock lock(o_.mutex_);
    while (!o_.stopping_ && !context->IsCancelled()) {
      if (const Status status = Check(request->fence()); !status.ok()) {
        return status;
      }
      if (o_.assignment_.generation() > sent) {
        v1::WatchAssignmentResponse response;
        *response.mutable_assignment() = o_.assignment_;
        response.mutable_assignment()->set_coordinator_epoch(o_.epoch_);
        sent = o_.assignment_.generation();
        if (!writer->Write(response)) break;
      }
      o_.changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
    return Status(StatusCode::UNAVAILABLE, "stream ended");
  }

  Status ReportProgress(ServerContext*,
                        const v1::ReportProgressRequest* request,
                        v1::ReportProgressResponse*) override {
    return Guarded(request, [&] {
      for (const v1::StepMetrics& step : request->steps()) {
        o_.seen_.steps.push_back(step);
      }
      o_.seen_.order.push_back(absl::StrCat("steps ", request->steps_size()));
    });
  }

  Status ReportTrainer(ServerContext*, const v1::ReportTrainerRequest* request,
                       v1::ReportTrainerResponse*) override {
    return Guarded(request, [&] {
      o_.seen_.states.push_back(*request);
      const std::string name =
          v1::ReportTrainerRequest::State_Name(request->state());
      o_.seen_.order.push_back(
          absl::StrCat(name.substr(name.find('_') + 1), " ", request->rank()));
    });
  }

  Status BeginCheckpoint(ServerContext*,
                         const v1::BeginCheckpointRequest* request,
                         v1::BeginCheckpointResponse* response) override {
    return Guarded(request, [&] {
      response->set_checkpoint(absl::StrCat("checkpoints/", request->step()));
      response->set_path("/checkpoint");
    });
  }

  Status ReportPart(ServerContext*, const v1::ReportPartRequest* request,
                    v1::ReportPartResponse* response) override {
    return Guarded(request, [&] {
      o_.parts_[request->rank()] = request->part();
      if (o_.parts_.size() < 2) return;  // a world of two
      for (const auto& [rank, part] : o_.parts_) *response->add_parts() = part;
      response->set_complete(true);
    });
  }

  Status CommitCheckpoint(ServerContext*,
                          const v1::CommitCheckpointRequest* request,
                          v1::CommitCheckpointResponse*) override {
    return Guarded(request, [&] { o_.seen_.commits.push_back(*request); });
  }

  Status UploadLogs(ServerContext*, const v1::UploadLogsRequest* request,
                    v1::UploadLogsResponse* response) override {
    return Guarded(request, [&] {
      o_.seen_.logs[request->rank()] += request->data();
      response->set_next_offset(request->offset() +
                                static_cast<int64_t>(request->data().size()));
    });
  }

  Status DeregisterWorker(ServerContext*,
                          const v1::DeregisterWorkerRequest* request,
                          v1::DeregisterWorkerResponse*) override {
    return Guarded(request, [&] { ++o_.seen_.num_deregistrations; });
  }

  FakeCoordinator& o_;
};

class FakeCoordinator::Rendezvous final
    : public v1::RendezvousService::Service {
 public:
  explicit Rendezvous(FakeCoordinator& owner) : o_(owner) {}

 private:
  Status SetKey(ServerContext*, const v1::SetKeyRequest* request,
                v1::SetKeyResponse*) override {
    std::lock_guard lock(o_.mutex_);
    o_.keys_[request->key()] = request->value();
    o_.changed_.notify_all();
    return o_.worker_->Check(request->fence());
  }

  Status GetKey(ServerContext*, const v1::GetKeyRequest* request,
                v1::GetKeyResponse* response) override {
    std::unique_lock lock(o_.mutex_);
    const bool found = o_.changed_.wait_for(
        lock, std::chrono::seconds(request->wait().seconds()),
        [&] { return o_.stopping_ || o_.keys_.contains(request->key()); });
    if (o_.stopping_) return Status(StatusCode::UNAVAILABLE, "stopping");
    if (!found) return Status(StatusCode::DEADLINE_EXCEEDED, "no key");
    response->set_value(o_.keys_[request->key()]);
    return o_.worker_->Check(request->fence());
  }

  FakeCoordinator& o_;
};

FakeCoordinator::FakeCoordinator(std::string address)
    : address_(std::move(address)) {
  Start();
}

FakeCoordinator::~FakeCoordinator() { Stop(); }

void FakeCoordinator::Start() {
  {
    std::lock_guard lock(mutex_);
    ++epoch_;
    stopping_ = false;
  }
  worker_ = std::make_unique<Worker>(*this);
  rendezvous_ = std::make_unique<Rendezvous>(*this);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
  builder.RegisterService(worker_.get());
  builder.RegisterService(rendezvous_.get());
  server_ = builder.BuildAndStart();
}

void FakeCoordinator::Stop() {
  if (server_ == nullptr) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_ = nullptr;
}

void FakeCoordinator::Assign(const v1::Assignment& assignment) {
  std::lock_guard lock(mutex_);
  const int64_t generation = assignment_.generation() + 1;
  assignment_ = assignment;
  assignment_.set_generation(generation);
  changed_.notify_all();
}

void FakeCoordinator::FenceBelow(int attempt) {
  std::lock_guard lock(mutex_);
  attempt_min_ = attempt;
}

void FakeCoordinator::Refuse(const Status& status) {
  std::lock_guard lock(mutex_);
  refusal_ = status;
}

bool FakeCoordinator::Wait(const std::function<bool(const Seen&)>& condition) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return condition(seen_); });
}

FakeCoordinator::Seen FakeCoordinator::seen() {
  std::lock_guard lock(mutex_);
  return seen_;
}

}  // namespace autotp::agent
