#include "worker/agent/coordinator_client.h"

namespace autotp::agent {
namespace {
// An assignment holds the local program of each of its tasks.
constexpr int kMessageBytesMax = 512 << 20;
constexpr int kReconnectMilliseconds = 20;
constexpr int kReconnectMillisecondsMax = 1'000;
}  // namespace

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   kReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   kReconnectMillisecondsMax);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   kReconnectMillisecondsMax);
  // Two agents of one process (tests) must not share a connection's fate.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A proxy of the environment is for the web, not for our coordinator.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

class CoordinatorClient::WatchReactor final
    : public grpc::ClientReadReactor<v1::WatchAssignmentResponse>,
      public UnderWay,
      public Watch,
      public std::enable_shared_from_this<WatchReactor> {
 public:
  WatchReactor(CoordinatorClient& client,
               const v1::WatchAssignmentRequest& request,
               std::function<void(v1::Assignment)> on_assignment,
               std::function<void(absl::Status)> on_end)
      : client_(client),
        request_(request),
        on_assignment_(std::move(on_assignment)),
        on_end_(std::move(on_end)) {}

  void Start() {
    client_.worker()->WatchAssignment(&context, &request_, this);
    StartRead(&response_);
    StartCall();
  }

  void Cancel() override { context.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    auto assignment = std::make_shared<v1::Assignment>(
        std::move(*response_.mutable_assignment()));
    client_.loop_.Post([self = shared_from_this(), assignment] {
      self->on_assignment_(std::move(*assignment));
    });
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    status_ = status;
    client_.End(this);
  }

  void OnEnd() override { on_end_(FromGrpcStatus(status_)); }

 private:
  CoordinatorClient& client_;
  const v1::WatchAssignmentRequest request_;
  const std::function<void(v1::Assignment)> on_assignment_;
  const std::function<void(absl::Status)> on_end_;
  v1::WatchAssignmentResponse response_;
  grpc::Status status_;
};

CoordinatorClient::CoordinatorClient(EventLoop& loop,
                                     std::shared_ptr<grpc::Channel> channel)
    : loop_(loop),
      worker_(v1::WorkerService::NewStub(channel)),
      rendezvous_(v1::RendezvousService::NewStub(channel)) {}

CoordinatorClient::~CoordinatorClient() {
  std::unique_lock lock(mutex_);
  for (const auto& [call, owned] : under_way_) call->context.TryCancel();
  // Cancelled calls end at once: gRPC gives every one its last callback.
  removed_.wait(lock, [this] { return under_way_.empty(); });
}

std::shared_ptr<CoordinatorClient::Watch> CoordinatorClient::WatchAssignment(
    const v1::WatchAssignmentRequest& request,
    std::function<void(v1::Assignment)> on_assignment,
    std::function<void(absl::Status)> on_end) {
  auto watch = std::make_shared<WatchReactor>(
      *this, request, std::move(on_assignment), std::move(on_end));
  Add(watch);
  watch->Start();
  return watch;
}

void CoordinatorClient::Add(std::shared_ptr<UnderWay> call) {
  std::lock_guard lock(mutex_);
  UnderWay* key = call.get();
  under_way_.emplace(key, std::move(call));
}

void CoordinatorClient::End(UnderWay* call) {
  std::lock_guard lock(mutex_);
  const auto found = under_way_.find(call);
  // Posted before it is forgotten here: the destructor waits for that.
  loop_.Post([owned = std::move(found->second)] { owned->OnEnd(); });
  under_way_.erase(found);
  removed_.notify_all();
}

}  // namespace autotp::agent
