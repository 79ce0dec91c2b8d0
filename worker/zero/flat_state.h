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
// Weights are fp32, or a 16-bit type with fp32 masters, or 16-bit ones that are
// updated themselves. Every optimizer has its own states
// (proto/support/optimizer_states.h). Without data parallelism every stage is
// stage 0.
//
// Threading: one thread at a time; loops are split by options.parallel_for.
#ifndef AUTOTP_WORKER_ZERO_FLAT_STATE_H_
#define AUTOTP_WORKER_ZERO_FLAT_STATE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "autotp/v1/training.pb.h"
#include "proto/support/flat_layout.h"
#include "proto/support/optimizer_states.h"
#include "worker/collective/communicator.h"
#include "worker/kernel/matrix_product.h"
#include "worker/optimizer/update.h"
#include "worker/runtime/parameter_store.h"
#include "worker/zero/element_loop.h"
#include "worker/zero/flat_gradients.h"
#include "worker/zero/host_memory.h"
#include "worker/zero/muon_update.h"
#include "worker/zero/numbers.h"
#include "worker/zero/parallel_for.h"
#include "worker/zero/parameter_info.h"
#include "worker/zero/weight_gather.h"

namespace autotp::zero {

struct FlatStateOptions {
  int zero_stage = 0;
  collective::ElementType weight_type = collective::ElementType::kFloat32;
  // What is updated: fp32, or the weights themselves, in their own type.
  collective::ElementType master_type = collective::ElementType::kFloat32;
  collective::ElementType state_type = collective::ElementType::kFloat32;
  // In which micro-steps are summed, and ranks.
  collective::ElementType gradient_type = collective::ElementType::kFloat32;
  collective::ElementType exchange_type = collective::ElementType::kFloat32;
  int64_t bucket_elements = 0;  // 0: the largest that is sensible
  int64_t gather_elements = 0;  // at most, in one all-gather; 0: any number
  collective::Communicator* data_group = nullptr;    // null: one rank
  collective::Communicator* tensor_group = nullptr;  // null: one rank
  ParallelFor parallel_for = nullptr;                // null: one thread
  kernel::MatrixProduct matrix_product = nullptr;    // Muon's
  v1::OptimizerConfig optimizer;
  uint64_t seed = 0;  // of stochastic rounding
};

// What this data-parallel rank owns of a parameter: elements `range` of its
// local slice. Ranks of a group together own every element once, at every
// stage.
struct OwnedPiece {
  int parameter = 0;
  Range range;
  Numbers weights;  // masters, where they are apart
  struct State {
    absl::string_view name;  // of OptimizerStates()
    Numbers numbers;
  };
  std::vector<State> states;
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
  absl::Status Update(const optimizer::Update& update);

  std::vector<OwnedPiece> OwnedPieces();
  // The same of what this rank updates: all of it at stage 0.
  std::vector<OwnedPiece> UpdatedPieces();
  int64_t optimizer_state_bytes() const;
  // Of weights with their masters, and of gradients outside buckets.
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
  absl::Status AllocateStates(int64_t elements);
  bool HasMasters() const {
    return options_.weight_type != options_.master_type;
  }
  Numbers WeightsAt(int64_t position) const;
  absl::Span<const absl::string_view> StatesOf(int parameter) const;

  // Elements that this rank updates, and where its state of them begins.
  Range Updated(const Bucket& bucket) const;
  int64_t StateOffset(int64_t position, const Bucket& bucket) const;
  Numbers MastersAt(int64_t position, const Bucket& bucket) const;
  Numbers StateAt(int state, int64_t position, const Bucket& bucket) const;
  // Of the parameters that are trained, those that have some here.
  std::vector<UpdateRange> UpdateRanges() const;
  std::vector<OwnedPiece> Pieces(bool updated);
  absl::Status PublishWeights();

  const std::vector<ParameterInfo> parameters_;
  const FlatStateOptions options_;
  const FlatLayout layout_;
  const int stage_;
  const int data_rank_;

  HostMemory weights_;  // in the weight type, whole
  HostMemory masters_;  // where they are apart: fp32 of what is updated here
  std::unique_ptr<FlatGradients> gradients_;
  std::array<HostMemory, kMostStates> states_;
  std::unique_ptr<MuonUpdate> muon_;
  WeightGather gather_;  // stages 1 and 2
};

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_FLAT_STATE_H_
