#include "coordinator/rpc/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "proto/support/socket_channel.h"

namespace autotp::rpc {
namespace {

// The largest requests are pieces of logs, of 4 MiB.
constexpr int kRequestBytesMax = 16 << 20;
// An assignment holds the local programs of all ranks of a worker.
constexpr int kResponseBytesMax = 256 << 20;

void Configure(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kRequestBytesMax);
  builder.SetMaxSendMessageSize(kResponseBytesMax);
  // Two coordinators on one port would share its connections silently.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
}

// Somebody answers there. gRPC would take a unix socket's path over from a
// living server, whose clients would then talk to us.
bool IsServed(absl::string_view address) {
  if (!absl::ConsumePrefix(&address, "unix:")) return false;
  absl::ConsumePrefix(&address, "//");
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.size() >= sizeof(name.sun_path)) return false;
  std::copy(address.begin(), address.end(), name.sun_path);
  const UniqueFd probe(
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return false;
  // EAGAIN: it lives, but has many callers to accept.
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&name),
                 sizeof(name)) == 0 ||
         errno == EAGAIN;
}

absl::Status CannotListen(const std::string& address) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address,
                   "; is it in use, or not an address of this machine?"));
}

std::string WithPort(const std::string& address, int port) {
  if (absl::StartsWith(address, "unix:")) return address;
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
}

}  // namespace

Server::Server(JobMaker maker, const std::string& version)
    : maker_(std::move(maker)),
      jobs_(maker_),
      checkpoints_(maker_.engine),
      workers_(maker_.engine),
      rendezvous_(maker_.engine),
      cluster_(maker_.engine, version) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    JobMaker maker, const ServerOptions& options) {
  if (options.listen.empty()) {
    return absl::InvalidArgumentError("listen: give at least one address");
  }
  std::unique_ptr<Server> server(new Server(std::move(maker), options.version));
  grpc::ServerBuilder builder;
  Configure(builder);
  std::deque<int> ports;  // gRPC keeps their addresses until it has started
  for (const std::string& address : options.listen) {
    if (IsServed(address)) return CannotListen(address);
    ports.push_back(0);
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(),
                             &ports.back());
  }
  builder.RegisterService(&server->jobs_);
  builder.RegisterService(&server->checkpoints_);
  builder.RegisterService(&server->workers_);
  builder.RegisterService(&server->rendezvous_);
  builder.RegisterService(&server->cluster_);
  // A socket is for its owner alone, from its first moment on.
  const mode_t before = umask(0177);
  server->server_ = builder.BuildAndStart();
  umask(before);
  for (size_t i = 0; i < options.listen.size(); ++i) {
    if (server->server_ == nullptr || ports[i] == 0) {
      return CannotListen(options.listen[i]);
    }
    server->addresses_.push_back(WithPort(options.listen[i], ports[i]));
  }
  return server;
}

void Server::Shutdown(absl::Duration patience) {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now() + patience));
  server_->Wait();
}

}  // namespace autotp::rpc
