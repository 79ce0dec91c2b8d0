// All-reduce of two processes on this host: shared memory, Gloo as we use it,
// and Gloo's own all-reduce. Prints medians of interleaved repetitions, and
// their ratios.
//
// The parent is rank 0 and runs Google Benchmark; before each run it tells the
// child, rank 1, what to do and how often.
#include <benchmark/benchmark.h>
#include <gloo/allreduce.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/transport/tcp/device.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/check.h"
#include "tests/unit/worker/collective/shared_key_store.h"
#include "worker/collective/factory.h"

namespace autotp::collective {
namespace {

enum Backend { kSharedMemory, kOurGloo, kPlainGloo, kBackends, kStop };
constexpr const char* kNames[] = {"shared memory", "our Gloo", "plain Gloo"};
constexpr int64_t kSizes[] = {4 << 10, 1 << 20, 16 << 20};

class GlooStore final : public gloo::rendezvous::Store {
 public:
  explicit GlooStore(KeyStore& keys) : keys_(keys) {}
  void set(const std::string& key, const std::vector<char>& data) override {
    AUTOTP_CHECK(
        keys_.Set("plain/" + key, std::string(data.begin(), data.end())).ok());
  }
  std::vector<char> get(const std::string& key) override {
    const std::string value =
        keys_.Get("plain/" + key, absl::Seconds(30)).value();
    return {value.begin(), value.end()};
  }
  void wait(const std::vector<std::string>& keys) override {
    for (const std::string& key : keys) get(key);
  }

 private:
  KeyStore& keys_;
};

struct Command {
  int64_t backend;
  int64_t bytes;
  int64_t times;
};

class Rank {
 public:
  Rank(int rank, int segment, KeyStore& keys) {
    v1::ProcessGroup group;
    group.set_name("bench");
    group.set_key("bench");
    group.add_ranks(0);
    group.add_ranks(1);
    GroupOptions options;
    options.memory_descriptor = segment;
    options.data_address = "127.0.0.1";
    options.plugin_directory = AUTOTP_BENCH_PLUGINS;
    group.set_backend(v1::ProcessGroup::BACKEND_SHARED_MEMORY);
    ours_[kSharedMemory] =
        CreateCommunicator(group, rank, keys, options).value();
    group.set_backend(v1::ProcessGroup::BACKEND_GLOO);
    ours_[kOurGloo] = CreateCommunicator(group, rank, keys, options).value();
    std::shared_ptr<gloo::transport::Device> device =
        gloo::transport::tcp::CreateDevice(
            gloo::transport::tcp::attr("127.0.0.1"));
    plain_ = std::make_shared<gloo::rendezvous::Context>(rank, 2);
    GlooStore store(keys);
    plain_->connectFullMesh(store, device);
  }

  // Rank 0's command, to both.
  Command Tell(Command command) {
    AUTOTP_CHECK(ours_[kSharedMemory]
                     ->Broadcast({&command, 3, ElementType::kInt64}, 0)
                     ->Wait()
                     .ok());
    data_.resize(command.bytes / sizeof(float));
    return command;
  }

  void AllReduce(int64_t backend) {
    if (backend == kPlainGloo) {
      gloo::AllreduceOptions options(plain_);
      options.setTag(++tag_);
      options.setOutput(data_.data(), data_.size());
      options.setReduceFunction(
          static_cast<void (*)(void*, const void*, const void*, size_t)>(
              &gloo::sum<float>));
      gloo::allreduce(options);
      return;
    }
    const Buffer buffer{data_.data(), static_cast<int64_t>(data_.size()),
                        ElementType::kFloat32};
    AUTOTP_CHECK(
        ours_[backend]->AllReduce(buffer, Reduction::kSum)->Wait().ok());
  }

 private:
  std::unique_ptr<Communicator> ours_[2];
  std::shared_ptr<gloo::rendezvous::Context> plain_;
  std::vector<float> data_;
  uint32_t tag_ = 0;
};

void Follow(Rank& rank) {
  for (;;) {
    const Command command = rank.Tell({});
    if (command.backend == kStop) return;
    for (int64_t i = 0; i < command.times; ++i) rank.AllReduce(command.backend);
  }
}

// Keeps the microseconds of every repetition, by size and backend.
class Medians final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      times_[run.run_name.function_name].push_back(run.GetAdjustedRealTime());
    }
  }
  double Of(const std::string& name) {
    std::vector<double>& times = times_[name];
    if (times.empty()) return 0;
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }

 private:
  std::map<std::string, std::vector<double>> times_;
};

std::string NameOf(int backend, int64_t bytes) {
  return absl::StrCat(kNames[backend], " ", bytes);
}

void Measure(Rank& rank) {
  for (int64_t bytes : kSizes) {
    for (int backend = 0; backend < kBackends; ++backend) {
      benchmark::RegisterBenchmark(
          NameOf(backend, bytes).c_str(),
          [&rank, backend, bytes](benchmark::State& state) {
            rank.Tell(
                {backend, bytes, static_cast<int64_t>(state.max_iterations)});
            for (auto _ : state) rank.AllReduce(backend);
          })
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond)
          ->MinTime(0.1)
          ->Repetitions(9);
    }
  }
  Medians medians;
  benchmark::RunSpecifiedBenchmarks(&medians);
  std::printf("all-reduce of 2 processes, fp32, microseconds (medians)\n");
  std::printf("%10s %15s %12s %12s   shared memory is quicker by\n", "bytes",
              kNames[0], kNames[1], kNames[2]);
  for (int64_t bytes : kSizes) {
    double times[kBackends];
    for (int backend = 0; backend < kBackends; ++backend) {
      times[backend] = medians.Of(NameOf(backend, bytes));
    }
    std::printf("%10ld %15.1f %12.1f %12.1f   %.1f, %.1f\n",
                static_cast<long>(bytes), times[0], times[1], times[2],
                times[1] / times[0], times[2] / times[0]);
  }
  rank.Tell({kStop, 0, 0});
}

int Main(int argc, char** argv) {
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.push_back(interleave.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  SharedKeyStore keys;
  const int segment = CreateSharedMemory(2).value();
  const pid_t child = fork();
  AUTOTP_CHECK(child >= 0);
  if (child == 0) {
    Rank rank(1, segment, keys);
    Follow(rank);
    _exit(0);
  }
  {
    Rank rank(0, segment, keys);
    Measure(rank);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

}  // namespace
}  // namespace autotp::collective

int main(int argc, char** argv) { return autotp::collective::Main(argc, argv); }
