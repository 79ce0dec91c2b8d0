#include <nccl.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/support/fake_nccl/fake_control.h"
#include "tests/support/fake_nccl/fake_machine.h"
#include "worker/collective/reduce.h"

#define FAKE_EXPORT extern "C" __attribute__((visibility("default")))

namespace autotp::fake {
namespace {

using Guard = std::lock_guard<std::mutex>;

struct Arrival {
  bool here = false;
  const void* send = nullptr;
  void* receive = nullptr;
};

// One collective of all ranks.
struct Meeting {
  std::vector<Arrival> arrivals;
  bool over = false;
};

// The ranks of one communicator.
struct Clique {
  explicit Clique(int ranks) : size(ranks), joined(ranks, false) {}
  bool Formed() const {
    return std::count(joined.begin(), joined.end(), true) == size;
  }
  int size;
  std::vector<bool> joined;
  bool broken = false;  // a rank has aborted or ended it
  std::map<uint64_t, std::shared_ptr<Meeting>> meetings;
  // Splits: who has asked for which color and key, and the cliques made.
  struct Wish {
    int color, key;
    std::shared_ptr<struct Comm> made;
  };
  std::map<int, Wish> wishes;
  int splits = 0;
};

struct Comm {
  std::shared_ptr<Clique> clique;
  int rank = 0;
  ncclResult_t error = ncclSuccess;
  bool aborted = false;
  uint64_t calls = 0;
  int splits = 0;
  int busy = 0;  // times it still says that it is in progress
};

struct State {
  int next_id = 0;
  int live = 0;
  std::map<std::string, std::shared_ptr<Clique>> cliques;  // by unique id
  std::map<int, FakeNcclFault> faults;                     // by rank
};

State& TheState() {
  static auto* state = new State;
  return *state;
}

FakeNcclFault TakeFault(int rank, bool at_init) {
  State& state = TheState();
  const auto found = state.faults.find(rank);
  if (found == state.faults.end()) return kFakeNoFault;
  const FakeNcclFault fault = found->second;
  if ((fault == kFakeStuckInit) != at_init) return kFakeNoFault;
  state.faults.erase(found);
  return fault;
}

int64_t WidthOf(ncclDataType_t type) {
  switch (type) {
    case ncclUint8:
      return 1;
    case ncclFloat16:
    case ncclBfloat16:
      return 2;
    case ncclFloat32:
      return 4;
    default:
      return 8;
  }
}

void ReduceInto(std::vector<std::byte>& out,
                const std::vector<const void*>& inputs, int64_t count,
                ncclDataType_t type, ncclRedOp_t op) {
  using collective::ElementType;
  if (type == ncclUint8) {  // what a barrier sends
    std::memcpy(out.data(), inputs[0], count);
    return;
  }
  const std::map<ncclDataType_t, ElementType> types = {
      {ncclFloat32, ElementType::kFloat32},
      {ncclBfloat16, ElementType::kBFloat16},
      {ncclFloat16, ElementType::kFloat16},
      {ncclFloat64, ElementType::kFloat64},
      {ncclInt64, ElementType::kInt64}};
  collective::Reduce(
      types.at(type),
      op == ncclSum ? collective::Reduction::kSum : collective::Reduction::kMax,
      inputs.data(), static_cast<int>(inputs.size()), count, out.data());
}

// Does the collective when all have arrived.
using Action = std::function<void(std::vector<Arrival>&)>;

ncclResult_t StartCall(ncclComm_t handle, cudaStream_t stream, const void* send,
                       void* receive, const Action& action);

}  // namespace
}  // namespace autotp::fake

struct ncclComm {
  std::shared_ptr<autotp::fake::Comm> state;
};

namespace autotp::fake {
namespace {

ncclResult_t StartCall(ncclComm_t handle, cudaStream_t stream, const void* send,
                       void* receive, const Action& action) {
  Machine& machine = Machine::Get();
  Guard lock(machine.mutex);
  const std::shared_ptr<Comm> comm = handle->state;
  if (comm->error != ncclSuccess) return comm->error;
  const FakeNcclFault fault = TakeFault(comm->rank, false);
  if (fault == kFakeCallFails) return ncclInternalError;
  const std::shared_ptr<Clique> clique = comm->clique;
  std::shared_ptr<Meeting>& meeting = clique->meetings[comm->calls++];
  if (meeting == nullptr) {
    meeting = std::make_shared<Meeting>();
    meeting->arrivals.resize(clique->size);
  }
  machine.Enqueue(
      reinterpret_cast<Stream*>(stream),
      [comm, clique, meeting = meeting, send, receive, action, fault] {
        if (comm->aborted || meeting->over) return true;
        if (fault == kFakeAsyncError) comm->error = ncclSystemError;
        if (clique->broken) comm->error = ncclRemoteError;
        if (fault == kFakeStuckCall || comm->error != ncclSuccess) return false;
        meeting->arrivals[comm->rank] = {true, send, receive};
        const bool all =
            std::all_of(meeting->arrivals.begin(), meeting->arrivals.end(),
                        [](const Arrival& a) { return a.here; });
        if (all) {
          action(meeting->arrivals);
          meeting->over = true;
        }
        return all;
      });
  comm->busy = 1;
  return ncclInProgress;
}

void Leave(ncclComm_t handle) {
  Machine& machine = Machine::Get();
  Guard lock(machine.mutex);
  handle->state->aborted = true;
  handle->state->clique->broken = true;
  --TheState().live;
  machine.Advance();
  delete handle;
}

}  // namespace
}  // namespace autotp::fake

using namespace autotp::fake;

FAKE_EXPORT void fake_nccl_inject(int rank, FakeNcclFault fault) {
  Guard lock(Machine::Get().mutex);
  TheState().faults[rank] = fault;
}

FAKE_EXPORT int fake_nccl_live_communicators() {
  Guard lock(Machine::Get().mutex);
  return TheState().live;
}

FAKE_EXPORT ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  Guard lock(Machine::Get().mutex);
  std::memset(id, 0, sizeof(*id));
  std::snprintf(id->internal, sizeof(id->internal), "fake %d",
                TheState().next_id++);
  return ncclSuccess;
}

FAKE_EXPORT ncclResult_t ncclCommInitRankConfig(ncclComm_t* out, int size,
                                                ncclUniqueId id, int rank,
                                                ncclConfig_t* config) {
  if (config->blocking != 0) return ncclInvalidArgument;
  Guard lock(Machine::Get().mutex);
  std::shared_ptr<Clique>& clique = TheState().cliques[id.internal];
  if (clique == nullptr) clique = std::make_shared<Clique>(size);
  const bool stuck = TakeFault(rank, true) == kFakeStuckInit;
  if (!stuck) clique->joined[rank] = true;
  auto comm = std::make_shared<Comm>();
  comm->clique = clique;
  comm->rank = rank;
  comm->busy = 2;
  *out = new ncclComm{comm};
  ++TheState().live;
  return ncclInProgress;
}

FAKE_EXPORT ncclResult_t ncclCommSplit(ncclComm_t handle, int color, int key,
                                       ncclComm_t* out, ncclConfig_t* config) {
  if (config->blocking != 0) return ncclInvalidArgument;
  Guard lock(Machine::Get().mutex);
  Comm& comm = *handle->state;
  Clique& parent = *comm.clique;
  auto made = std::make_shared<Comm>();
  made->clique = std::make_shared<Clique>(1);  // until all have asked
  *out = new ncclComm{made};
  ++TheState().live;
  ++comm.splits;
  parent.wishes[comm.rank] = {color, key, made};
  if (static_cast<int>(parent.wishes.size()) < parent.size) {
    return ncclInProgress;
  }
  std::map<int, std::map<int, std::shared_ptr<Comm>>> colors;
  for (auto& [rank, wish] : parent.wishes) {
    colors[wish.color][wish.key] = wish.made;
  }
  for (auto& [one_color, members] : colors) {
    const int size = static_cast<int>(members.size());
    auto clique = std::make_shared<Clique>(size);
    clique->joined.assign(size, true);
    int rank = 0;
    for (auto& [one_key, member] : members) {
      member->clique = clique;
      member->rank = rank++;
    }
  }
  parent.wishes.clear();
  ++parent.splits;
  return ncclInProgress;
}

FAKE_EXPORT ncclResult_t ncclCommGetAsyncError(ncclComm_t handle,
                                               ncclResult_t* result) {
  Guard lock(Machine::Get().mutex);
  Comm& comm = *handle->state;
  const bool waiting =
      !comm.clique->Formed() || comm.splits > comm.clique->splits;
  if (comm.error != ncclSuccess) {
    *result = comm.error;
  } else if (waiting || comm.busy > 0) {
    if (!waiting) --comm.busy;
    *result = ncclInProgress;
  } else {
    *result = ncclSuccess;
  }
  return ncclSuccess;
}

FAKE_EXPORT ncclResult_t ncclCommFinalize(ncclComm_t handle) {
  Guard lock(Machine::Get().mutex);
  handle->state->busy = 1;
  return handle->state->error == ncclSuccess ? ncclInProgress
                                             : handle->state->error;
}

FAKE_EXPORT ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  Leave(handle);
  return ncclSuccess;
}

FAKE_EXPORT ncclResult_t ncclCommAbort(ncclComm_t handle) {
  Leave(handle);
  return ncclSuccess;
}

FAKE_EXPORT const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSystemError:
      return "fake system error";
    case ncclRemoteError:
      return "fake remote error";
    default:
      return "fake internal error";
  }
}

FAKE_EXPORT const char* ncclGetLastError(ncclComm_t) { return ""; }

FAKE_EXPORT ncclResult_t ncclAllReduce(const void* send, void* receive,
                                       size_t count, ncclDataType_t type,
                                       ncclRedOp_t op, ncclComm_t comm,
                                       cudaStream_t stream) {
  return StartCall(comm, stream, send, receive,
                   [=](std::vector<Arrival>& ranks) {
                     std::vector<const void*> inputs;
                     for (const Arrival& rank : ranks)
                       inputs.push_back(rank.send);
                     std::vector<std::byte> sum(count * WidthOf(type));
                     ReduceInto(sum, inputs, count, type, op);
                     for (const Arrival& rank : ranks) {
                       std::memcpy(rank.receive, sum.data(), sum.size());
                     }
                   });
}

FAKE_EXPORT ncclResult_t ncclReduceScatter(const void* send, void* receive,
                                           size_t count, ncclDataType_t type,
                                           ncclRedOp_t op, ncclComm_t comm,
                                           cudaStream_t stream) {
  return StartCall(
      comm, stream, send, receive, [=](std::vector<Arrival>& ranks) {
        const size_t bytes = count * WidthOf(type);
        std::vector<std::vector<std::byte>> parts;
        for (size_t r = 0; r < ranks.size(); ++r) {
          std::vector<const void*> inputs;
          for (const Arrival& rank : ranks) {
            inputs.push_back(static_cast<const char*>(rank.send) + r * bytes);
          }
          ReduceInto(parts.emplace_back(bytes), inputs, count, type, op);
        }
        for (size_t r = 0; r < ranks.size(); ++r) {
          std::memcpy(ranks[r].receive, parts[r].data(), bytes);
        }
      });
}

FAKE_EXPORT ncclResult_t ncclAllGather(const void* send, void* receive,
                                       size_t count, ncclDataType_t type,
                                       ncclComm_t comm, cudaStream_t stream) {
  return StartCall(
      comm, stream, send, receive, [=](std::vector<Arrival>& ranks) {
        const size_t bytes = count * WidthOf(type);
        for (const Arrival& to : ranks) {
          for (size_t r = 0; r < ranks.size(); ++r) {
            std::memmove(static_cast<char*>(to.receive) + r * bytes,
                         ranks[r].send, bytes);
          }
        }
      });
}

FAKE_EXPORT ncclResult_t ncclBroadcast(const void* send, void* receive,
                                       size_t count, ncclDataType_t type,
                                       int root, ncclComm_t comm,
                                       cudaStream_t stream) {
  return StartCall(
      comm, stream, send, receive, [=](std::vector<Arrival>& ranks) {
        for (const Arrival& to : ranks) {
          std::memmove(to.receive, ranks[root].send, count * WidthOf(type));
        }
      });
}
