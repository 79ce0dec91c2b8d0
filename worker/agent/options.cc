#include "worker/agent/options.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/support/socket_channel.h"
#include "proto/support/status_macros.h"

namespace autotp::agent {
namespace {

constexpr char kLoopback[] = "127.0.0.1";
constexpr int kSlotsMax = 1024;

// The local address from which packets to the coordinator leave; a datagram
// socket finds it without sending anything.
std::string AddressTowards(const std::string& coordinator) {
  if (absl::StartsWith(coordinator, "unix:")) return kLoopback;
  const size_t colon = coordinator.rfind(':');
  if (colon == std::string::npos) return kLoopback;
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(coordinator.substr(0, colon).c_str(),
                  coordinator.substr(colon + 1).c_str(), &hints, &found) != 0) {
    return kLoopback;
  }
  std::string address = kLoopback;
  const UniqueFd probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  socklen_t size = sizeof(own);
  std::array<char, INET_ADDRSTRLEN> text{};
  if (probe.valid() &&
      connect(probe.get(), found->ai_addr, found->ai_addrlen) == 0 &&
      getsockname(probe.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
      inet_ntop(AF_INET, &own.sin_addr, text.data(), text.size()) != nullptr) {
    address = text.data();
  }
  freeaddrinfo(found);
  return address;
}

absl::Status ResolveTrainer(std::string* binary) {
  std::error_code error;
  if (binary->empty()) {
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    *binary = (self.parent_path() / "autotp-trainer").string();
  }
  if (access(binary->c_str(), X_OK) != 0 ||
      !std::filesystem::is_regular_file(*binary, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--trainer-binary: ", *binary,
                     " is no program; build autotp-trainer or name its path"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Resolve(WorkerOptions* options) {
  if (options->coordinator.empty()) {
    return absl::InvalidArgumentError(
        "--coordinator: empty; give host:port or unix:/path");
  }
  if (options->slots < 1 || options->slots > kSlotsMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--slots: ", options->slots, "; must be 1 to ", kSlotsMax));
  }
  if (options->device != "cpu" && options->device != "cuda") {
    return absl::InvalidArgumentError(
        absl::StrCat("--device: ", options->device, "; must be cpu or cuda"));
  }
  if (options->name.empty()) options->name = HostName();
  if (options->data_address.empty()) {
    options->data_address = AddressTowards(options->coordinator);
  }
  return ResolveTrainer(&options->trainer_binary);
}

int ThreadsPerSlot(int cores, int slots) { return std::max(1, cores / slots); }

int UsableCores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
  return std::max(1, CPU_COUNT(&cores));
}

int64_t HostMemoryBytes() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace autotp::agent
