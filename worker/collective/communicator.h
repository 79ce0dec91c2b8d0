// communicator.h -- collective operations over one group of ranks.
//
// Flow: worker/trainer makes one per process group (factory.h) ->
// worker/runtime and worker/zero call it.
//
// All ranks of the group make the same calls in the same order. A sum is
// accumulated in fp32 and in rank order, so that every rank gets the same bits
// and a run can be repeated. An error kills the communicator: every later call
// returns it; form a new group.
//
//   UNAVAILABLE        a peer is gone, or the group was aborted
//   DEADLINE_EXCEEDED  a peer did not come within the timeout
//
// Threading: one thread makes the calls; Abort() from any thread.
// Buffers are contiguous and belong to the caller until Wait() has returned.
#ifndef AUTOTP_WORKER_COLLECTIVE_COMMUNICATOR_H_
#define AUTOTP_WORKER_COLLECTIVE_COMMUNICATOR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"

namespace autotp::collective {

enum class ElementType {
  kFloat32,
  kBFloat16,
  kFloat16,
  kFloat64,
  kInt64,
  kByte
};

enum class Reduction { kSum, kMax };

// Bytes of one element.
int64_t SizeOf(ElementType type);

// `count` elements at `data`: host memory, or device memory for NCCL.
struct Buffer {
  void* data = nullptr;
  int64_t count = 0;
  ElementType type = ElementType::kFloat32;
};

// A started collective. Wait() once before the buffers are touched; on a
// device it makes the current stream wait instead of the host.
class Work {
 public:
  virtual ~Work() = default;
  virtual absl::Status Wait() = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string Describe() const = 0;  // "shared memory, rank 1 of 2"

  // In place: every rank gets the reduction over all ranks.
  virtual std::unique_ptr<Work> AllReduce(Buffer buffer, Reduction op) = 0;
  // `whole` holds size() equal parts; this rank's `part` is its own part
  // reduced over all ranks. `part` may lie in `whole` at its own place.
  virtual std::unique_ptr<Work> ReduceScatter(Buffer whole, Buffer part,
                                              Reduction op) = 0;
  // `whole` gets size() equal parts in rank order. `part` may lie in `whole`
  // at its own place.
  virtual std::unique_ptr<Work> AllGather(Buffer part, Buffer whole) = 0;
  virtual std::unique_ptr<Work> Broadcast(Buffer buffer, int root) = 0;
  // The host waits for all ranks, and for all its own calls before.
  virtual absl::Status Barrier() = 0;
  // On a device calls fail while the host goes on. What a buffer holds counts
  // if this, or a later call, is OK after the host has waited for the device.
  virtual absl::Status Health() { return absl::OkStatus(); }

  // Ends every call under way and every later one with UNAVAILABLE.
  // Idempotent; does not block.
  virtual void Abort(const std::string& reason) = 0;
};

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_COMMUNICATOR_H_
