// weight_gather.h -- after an update every rank gets the weights of all shards.
//
// Flow: flat_state.cc's Update() -> Gather() -> one all-gather for each bucket
// (flat_layout.h), or several when a bucket is larger than what may travel at
// once (DeepSpeed's allgather_bucket_size).
//
// A whole bucket is gathered in place. The pieces of several all-gathers
// arrive in memory of our own first, since the shards' pieces are neighbours
// there and not in the bucket. The bytes are the same either way.
//
// Threading: one thread at a time.
#ifndef AUTOTP_WORKER_ZERO_WEIGHT_GATHER_H_
#define AUTOTP_WORKER_ZERO_WEIGHT_GATHER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/support/flat_layout.h"
#include "worker/collective/communicator.h"
#include "worker/zero/host_memory.h"

namespace autotp::zero {

class WeightGather {
 public:
  // At most `elements_max` elements in one all-gather, but one of each shard
  // at least; 0: any number. The group outlives this object.
  //   RESOURCE_EXHAUSTED  not enough memory
  static absl::StatusOr<WeightGather> Create(const FlatLayout& layout,
                                             collective::Communicator* group,
                                             collective::ElementType type,
                                             int64_t elements_max);
  WeightGather() = default;

  int64_t bytes() const { return arrived_.bytes(); }

  // `weights`: the whole flat buffer, in which this rank's shard is new.
  absl::Status Gather(const Bucket& bucket, void* weights);

 private:
  collective::Communicator* group_ = nullptr;
  collective::ElementType type_ = collective::ElementType::kFloat32;
  int64_t part_max_ = 0;  // elements of one shard in one all-gather
  HostMemory arrived_;    // pieces of all shards; empty if none are cut
};

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_WEIGHT_GATHER_H_
