#include "tests/unit/worker/collective/world.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <exception>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/check.h"
#include "tests/unit/worker/collective/fake_nccl.h"
#include "tests/unit/worker/collective/shared_key_store.h"

namespace autotp::collective {
namespace {

// World ranks are not group ranks: the factory has to tell them apart.
constexpr int kFirstWorldRank = 3;

v1::ProcessGroup GroupOf(const World& world) {
  v1::ProcessGroup group;
  group.set_name("tp");
  group.set_key("tp/1");
  group.set_backend(world.backend);
  for (int r = 0; r < world.size; ++r) group.add_ranks(kFirstWorldRank + r);
  return group;
}

absl::Status RunRank(const World& world, int rank, const RankBody& body,
                     KeyStore& keys, const GroupOptions& options) {
  if (rank == world.absent_rank) return absl::OkStatus();
  auto communicator =
      CreateCommunicator(GroupOf(world), kFirstWorldRank + rank, keys, options);
  if (!communicator.ok()) return communicator.status();
  if ((*communicator)->rank() != rank ||
      (*communicator)->size() != world.size) {
    return absl::InternalError("rank and size are not the group's");
  }
  return body(**communicator);
}

void WriteStatus(int fd, const absl::Status& status) {
  const std::string text =
      absl::StrCat(status.raw_code(), " ", status.message());
  AUTOTP_CHECK(write(fd, text.data(), text.size()) ==
               static_cast<ssize_t>(text.size()));
}

absl::Status ReadStatus(int fd) {
  std::string text;
  char buffer[1024];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, n);
  }
  if (text.empty()) return absl::CancelledError("the process ended itself");
  char* end = nullptr;
  const long code = std::strtol(text.c_str(), &end, 10);
  return absl::Status(static_cast<absl::StatusCode>(code), end + 1);
}

std::vector<absl::Status> RunThreads(const World& world, const RankBody& body,
                                     KeyStore& keys,
                                     const GroupOptions& options) {
  std::vector<absl::Status> statuses(world.size);
  std::vector<std::thread> threads;
  for (int r = 0; r < world.size; ++r) {
    threads.emplace_back(
        [&, r] { statuses[r] = RunRank(world, r, body, keys, options); });
  }
  for (std::thread& thread : threads) thread.join();
  return statuses;
}

std::vector<absl::Status> RunProcesses(const World& world, const RankBody& body,
                                       KeyStore& keys,
                                       const GroupOptions& options) {
  std::vector<int> pipes;
  std::vector<pid_t> children;
  for (int r = 0; r < world.size; ++r) {
    int ends[2];
    AUTOTP_CHECK(pipe(ends) == 0);
    const pid_t child = fork();
    AUTOTP_CHECK(child >= 0);
    if (child == 0) {
      alarm(20);  // a hanging rank ends and says nothing
      close(ends[0]);
      WriteStatus(ends[1], RunRank(world, r, body, keys, options));
      _exit(0);
    }
    close(ends[1]);
    pipes.push_back(ends[0]);
    children.push_back(child);
  }
  std::vector<absl::Status> statuses;
  for (int r = 0; r < world.size; ++r) {
    statuses.push_back(ReadStatus(pipes[r]));
    close(pipes[r]);
    int ended = 0;
    waitpid(children[r], &ended, 0);
    if (WIFSIGNALED(ended)) {
      statuses[r] = absl::AbortedError(
          absl::StrCat("the process ended by signal ", WTERMSIG(ended)));
    }
  }
  return statuses;
}

}  // namespace

std::string NameOf(const World& world) {
  std::string backend = v1::ProcessGroup::Backend_Name(world.backend);
  std::transform(backend.begin(), backend.end(), backend.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return absl::StrCat(
      absl::StripPrefix(backend, "backend_"),
      world.ranks_are == RanksAre::kThreads ? "_threads_" : "_processes_",
      world.size);
}

GroupOptions OptionsFor(const World& world) {
  GroupOptions options;
  options.form_timeout = absl::Seconds(10);
  options.call_timeout = absl::Seconds(10);
  options.data_address = "127.0.0.1";
  options.plugin_directory = AUTOTP_TEST_PLUGINS;
  if (world.backend == v1::ProcessGroup::BACKEND_NCCL) UseFakeNccl(options);
  return options;
}

absl::Status Finish(Communicator& communicator, std::unique_ptr<Work> work) {
  const absl::Status status = work->Wait();
  if (!absl::StartsWith(communicator.Describe(), "NCCL")) return status;
  if (!SynchronizeFake()) return absl::InternalError("the stream hangs");
  return status.ok() ? communicator.Health() : status;
}

std::vector<absl::Status> RunRanks(const World& world, const RankBody& body,
                                   GroupOptions options) {
  SharedKeyStore keys;
  if (world.backend == v1::ProcessGroup::BACKEND_SHARED_MEMORY) {
    absl::StatusOr<int> descriptor = CreateSharedMemory(world.size);
    AUTOTP_CHECK(descriptor.ok(), descriptor.status().message());
    options.memory_descriptor = *descriptor;
  }
  std::vector<absl::Status> statuses =
      world.ranks_are == RanksAre::kThreads
          ? RunThreads(world, body, keys, options)
          : RunProcesses(world, body, keys, options);
  if (options.memory_descriptor >= 0) close(options.memory_descriptor);
  return statuses;
}

absl::Status Expect(bool condition, const std::string& what) {
  return condition ? absl::OkStatus() : absl::InternalError(what);
}

}  // namespace autotp::collective
