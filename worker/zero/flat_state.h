// flat_state.h -- weights, gradients and optimizer state of one rank, as flat
// buffers, under ZeRO stage 0, 1 or 2.
//
// Flow, every optimizer step:
//   BeginStep
//   per micro-step: BeginMicroStep, LocalProgram::Run (Weight, Gradient,
//     GradientDone), FinishMicroStep
//   ReduceGradients -> SquaredNorm -> Update
//
//            weights   gradients    optimizer state, masters
//   stage 0  whole     whole        whole
//   stage 1  whole     whole        own shard
//   stage 2  whole     own shard    own shard
//
// Gradients (flat_gradients.h) are sums over micro-steps and data-parallel
// ranks: the caller scales each micro-step's loss. All stages give the same
// numbers; stages 0 and 1 to the bit.
//
// Weights are fp32, or a 16-bit type with fp32 masters. Without data
// parallelism every stage is stage 0.
//
// Threading: one thread at a time; loops are split by options.parallel_for.
#ifndef AUTOTP_WORKER_ZERO_FLAT_STATE_H_
#define AUTOTP_WORKER_ZERO_FLAT_STATE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/support/flat_layout.h"
#include "worker/collective/communicator.h"
#include "worker/optimizer/adam.h"
#include "worker/runtime/parameter_store.h"
#include "worker/zero/flat_gradients.h"
#include "worker/zero/host_memory.h"
#include "worker/zero/parallel_for.h"
#include "worker/zero/weight_gather.h"

namespace autotp::zero {

struct ParameterInfo {
  int64_t elements = 0;  // of the local shape
  bool partial_gradient = false;
  // Its squares belong to the norm on this rank: those of a parameter that is
  // whole on every tensor-parallel rank count on one of them only.
  bool counts_in_norm = true;
  bool frozen = false;  // a buffer of the model: never updated
};

struct FlatStateOptions {
  int zero_stage = 0;
  collective::ElementType weight_type = collective::ElementType::kFloat32;
  // In which micro-steps are summed, and ranks.
  collective::ElementType gradient_type = collective::ElementType::kFloat32;
  collective::ElementType exchange_type = collective::ElementType::kFloat32;
  int64_t bucket_elements = 0;  // 0: the largest that is sensible
  int64_t gather_elements = 0;  // at most, in one all-gather; 0: any number
  collective::Communicator* data_group = nullptr;    // null: one rank
  collective::Communicator* tensor_group = nullptr;  // null: one rank
  ParallelFor parallel_for = nullptr;                // null: one thread
};

// What this data-parallel rank owns of a parameter: elements `range` of its
// local slice. Ranks of a group together own every element once, at every
// stage.
struct OwnedPiece {
  int parameter = 0;
  Range range;
  float* weights = nullptr;  // masters
  float* exp_avg = nullptr;
  float* exp_avg_sq = nullptr;
};

class FlatState final : public runtime::ParameterStore {
 public:
  // RESOURCE_EXHAUSTED: not enough memory.
  static absl::StatusOr<std::unique_ptr<FlatState>> Create(
      std::vector<ParameterInfo> parameters, const FlatStateOptions& options);

  // Sets a parameter's weights, from all of its local elements.
  void SetParameter(int parameter, const float* values);

  void* Weight(int parameter) override;
  runtime::GradientSlot Gradient(int parameter) override;
  absl::Status GradientDone(int parameter) override;

  void BeginStep();
  void BeginMicroStep();
  absl::Status FinishMicroStep();
  absl::Status ReduceGradients();
  // Of the elements that this rank owns and that count here. The sum over the
  // world is the square of the gradient's norm.
  double SquaredNorm() const;
  absl::Status Update(const optimizer::AdamStep& step);

  std::vector<OwnedPiece> OwnedPieces();
  // The same of what this rank updates: all of it at stage 0.
  std::vector<OwnedPiece> UpdatedPieces();
  int64_t optimizer_state_bytes() const;
  // Of weights with their fp32 masters, and of gradients outside buckets.
  int64_t weight_bytes() const { return weights_.bytes() + masters_.bytes(); }
  int64_t gradient_bytes() const { return gradients_->bytes(); }
  // Of what gradients pass through, at the most so far, and of the
  // all-gather's room.
  int64_t buffer_bytes() const {
    return gradients_->room_bytes() + gather_.bytes();
  }
  const FlatLayout& layout() const { return layout_; }

 private:
  FlatState(std::vector<ParameterInfo> parameters,
            const FlatStateOptions& options, FlatLayout layout);
  absl::Status Allocate();
  bool HasMasters() const {
    return options_.weight_type != collective::ElementType::kFloat32;
  }
  void* WeightAt(int64_t position) const;

  // Elements that this rank updates, and where its state of them begins.
  Range Updated(const Bucket& bucket) const;
  int64_t StateOffset(int64_t position, const Bucket& bucket) const;
  float* Master(int64_t position, const Bucket& bucket);
  std::vector<OwnedPiece> Pieces(bool updated);

  void UpdateBucket(const Bucket& bucket, const optimizer::AdamStep& step);
  // `range` of a bucket without its frozen parameters.
  std::vector<Range> Trained(Range range, const Bucket& bucket) const;
  absl::Status PublishWeights();

  const std::vector<ParameterInfo> parameters_;
  const FlatStateOptions options_;
  const FlatLayout layout_;
  const int stage_;
  const int data_rank_;

  HostMemory weights_;  // in the weight type, whole
  HostMemory masters_;  // of 16-bit weights: fp32 of what is updated here
  std::unique_ptr<FlatGradients> gradients_;
  HostMemory exp_avg_;
  HostMemory exp_avg_sq_;
  WeightGather gather_;  // stages 1 and 2
};

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_FLAT_STATE_H_
