// flat_gradients.h -- one rank's gradients as a flat buffer, summed over
// micro-steps and ranks.
//
// Flow: flat_state.h forwards a backward's calls -> Slot, Done -> Reduce once
// a step -> SquaredNorm, Reduced.
//
//   stage 0  whole      all-reduce, once a step
//   stage 1  whole      reduce-scatter, once a step
//   stage 2  own shard  each bucket reduce-scattered when its backward is done
//
// The backward writes fp32. Where gradients are kept in a 16-bit type, or
// sharded, it writes into a bucket's own memory, which is added to the buffer
// when the bucket is complete. Ranks sum in the exchange type; sums are formed
// in fp32 and rounded when they are stored.
//
// Threading: one thread at a time; loops are split by options.parallel_for.
#ifndef AUTOTP_WORKER_ZERO_FLAT_GRADIENTS_H_
#define AUTOTP_WORKER_ZERO_FLAT_GRADIENTS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/support/flat_layout.h"
#include "worker/collective/communicator.h"
#include "worker/runtime/parameter_store.h"
#include "worker/zero/host_memory.h"
#include "worker/zero/parallel_for.h"

namespace autotp::zero {

struct FlatGradientOptions {
  int zero_stage = 0;  // 0 without data parallelism
  collective::ElementType type = collective::ElementType::kFloat32;
  collective::ElementType exchange_type = collective::ElementType::kFloat32;
  collective::Communicator* data_group = nullptr;    // null: one rank
  collective::Communicator* tensor_group = nullptr;  // null: one rank
  ParallelFor parallel_for = nullptr;
};

class FlatGradients {
 public:
  // `layout` outlives it. RESOURCE_EXHAUSTED: not enough memory.
  static absl::StatusOr<std::unique_ptr<FlatGradients>> Create(
      const FlatLayout& layout, const FlatGradientOptions& options);

  void BeginStep();
  void BeginMicroStep();
  runtime::GradientSlot Slot(int parameter);
  absl::Status Done(int parameter);
  absl::Status FinishMicroStep();
  // Over the data-parallel group; partial gradients also over the
  // tensor-parallel group.
  absl::Status Reduce();

  // Of the elements that this rank's shard owns, of the parameters that
  // `counted` says.
  double SquaredNorm(const std::vector<bool>& counted) const;
  // The reduced gradient of `range`, which this rank holds; valid until the
  // next call.
  const float* Reduced(const Bucket& bucket, const Range& range);

  int64_t bytes() const { return memory_.bytes(); }
  // Of the buckets under way, at the most so far, and what else gradients pass
  // through.
  int64_t room_bytes() const {
    return most_bucket_bytes_ + exchanged_.bytes() + widened_.bytes();
  }

 private:
  // A bucket's gradients on their way to its shard (stage 2).
  struct BucketReduction {
    int bucket = -1;
    HostMemory memory;
    const void* part = nullptr;  // of this shard, in the exchange type
    std::unique_ptr<collective::Work> work;
  };

  FlatGradients(const FlatLayout& layout, const FlatGradientOptions& options);
  absl::Status Allocate();
  // The backward writes into the buffer itself.
  bool IsDirect() const;
  // Where the buffer holds what this rank has of `position`.
  void* At(int64_t position, const Bucket& bucket) const;
  Range Own(const Bucket& bucket) const;
  absl::StatusOr<HostMemory> TakeBucketMemory();
  void NoteBucketBytes();

  void Accumulate(int bucket);
  absl::Status StartReduction(int bucket);
  absl::Status FinishReduction();
  // fp32 or exchanged numbers into the buffer, as the first or added.
  void AddToBuffer(const void* from, collective::ElementType type,
                   int64_t count, void* to, bool add) const;
  // Runs `call` on `range` of the buffer in the exchange type, and takes back
  // what it left in `result`, which lies within.
  absl::Status Exchange(
      const Bucket& bucket, const Range& range, const Range& result,
      absl::FunctionRef<absl::Status(collective::Buffer)> call);
  absl::Status ReduceBucket(const Bucket& bucket);
  absl::Status SumOverTensorGroup();

  const FlatLayout& layout_;
  const FlatGradientOptions options_;
  const int data_rank_;
  const int data_size_;
  int64_t largest_bucket_ = 0;  // elements

  HostMemory memory_;          // in options.type
  std::vector<bool> written_;  // [parameter] there is something to add to
  std::vector<bool> begun_;    // [bucket] the buffer has some of this step
  std::vector<int> pending_;   // [bucket] parameters not yet done
  std::vector<HostMemory> buckets_;  // [bucket] being filled, fp32
  HostMemory spare_;                 // a bucket's memory, kept for the next
  int64_t most_bucket_bytes_ = 0;
  HostMemory exchanged_;  // a bucket in the exchange type
  HostMemory widened_;    // what Reduced() returns of a 16-bit buffer
  BucketReduction reduction_;
};

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_FLAT_GRADIENTS_H_
