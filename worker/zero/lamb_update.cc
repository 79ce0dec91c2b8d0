#include "worker/zero/lamb_update.h"

#include <algorithm>
#include <variant>

#include "proto/support/status_macros.h"

namespace autotp::zero {
namespace {

using optimizer::LambSquares;
using optimizer::LambStep;

constexpr int64_t kNormPiece = 64 << 10;  // elements summed as one

class LambUpdate {
 public:
  LambUpdate(const UpdateContext& context,
             const std::vector<UpdateRange>& ranges)
      : context_(context),
        ranges_(ranges),
        squares_(context.parameters.size()) {}

  absl::Status Run() {
    for (const UpdateRange& range : ranges_) {
      UpdateMoments(range);
      squares_[range.parameter] = Sum(range);
    }
    AUTOTP_RETURN_IF_ERROR(SumOverRanks());
    for (const UpdateRange& range : ranges_) UpdateWeights(range);
    return absl::OkStatus();
  }

 private:
  LambStep StepOf(const UpdateRange& range) const {
    return std::get<LambStep>(
        context_.update.For(context_.parameters[range.parameter].treatment));
  }

  void UpdateMoments(const UpdateRange& range) {
    const LambStep step = StepOf(range);
    const float* gradients =
        context_.gradients.Reduced(*range.bucket, range.place);
    RunFor(context_.parallel_for, range.place.size(), kUpdateGrain,
           [&](int64_t begin, int64_t end) {
             ForEachBlock(context_, range, {begin, end}, /*publish=*/false,
                          [&](const Block& block) {
                            optimizer::UpdateLambMoments(
                                step, block.count, gradients + block.offset,
                                block.states[0], block.states[1]);
                          });
           });
  }

  // Pieces and their order don't depend on the number of threads.
  LambSquares Sum(const UpdateRange& range) const {
    const LambStep step = StepOf(range);
    const int64_t size = range.place.size();
    std::vector<LambSquares> pieces((size + kNormPiece - 1) / kNormPiece);
    RunFor(context_.parallel_for, static_cast<int64_t>(pieces.size()), 1,
           [&](int64_t begin, int64_t end) {
             for (int64_t i = begin; i < end; ++i) {
               const Range piece{i * kNormPiece,
                                 std::min(size, (i + 1) * kNormPiece)};
               ForEachBlock(context_, range, piece, /*publish=*/false,
                            [&](const Block& block) {
                              const LambSquares part =
                                  optimizer::SumLambSquares(
                                      step, block.count, block.weights,
                                      block.states[0], block.states[1]);
                              pieces[i].weights += part.weights;
                              pieces[i].directions += part.directions;
                            });
             }
           });
    LambSquares sum;
    for (const LambSquares& piece : pieces) {
      sum.weights += piece.weights;
      sum.directions += piece.directions;
    }
    return sum;
  }

  absl::Status SumOver(collective::Communicator* group,
                       std::vector<double>& sums) {
    if (group == nullptr) return absl::OkStatus();
    return Annotate(
        group
            ->AllReduce({sums.data(), static_cast<int64_t>(sums.size()),
                         collective::ElementType::kFloat64},
                        collective::Reduction::kSum)
            ->Wait(),
        "sum of norms");
  }

  absl::Status SumOverRanks() {
    std::vector<double> sums;
    for (size_t i = 0; i < squares_.size(); ++i) {
      const bool counts = context_.tensor_group == nullptr ||
                          context_.parameters[i].counts_in_norm;
      sums.push_back(counts ? squares_[i].weights : 0);
      sums.push_back(counts ? squares_[i].directions : 0);
    }
    if (context_.sharded)
      AUTOTP_RETURN_IF_ERROR(SumOver(context_.data_group, sums));
    AUTOTP_RETURN_IF_ERROR(SumOver(context_.tensor_group, sums));
    for (size_t i = 0; i < squares_.size(); ++i)
      squares_[i] = {sums[2 * i], sums[2 * i + 1]};
    return absl::OkStatus();
  }

  void UpdateWeights(const UpdateRange& range) {
    const LambStep step = StepOf(range);
    const double ratio = optimizer::LambRatio(step, squares_[range.parameter]);
    RunFor(context_.parallel_for, range.place.size(), kUpdateGrain,
           [&](int64_t begin, int64_t end) {
             ForEachBlock(context_, range, {begin, end}, /*publish=*/true,
                          [&](const Block& block) {
                            optimizer::UpdateLambWeights(
                                step, ratio, block.count, block.weights,
                                block.states[0], block.states[1]);
                          });
           });
  }

  const UpdateContext& context_;
  const std::vector<UpdateRange>& ranges_;
  std::vector<LambSquares> squares_;  // [parameter]
};

}  // namespace

absl::Status UpdateLamb(const UpdateContext& context,
                        const std::vector<UpdateRange>& ranges) {
  return LambUpdate(context, ranges).Run();
}

}  // namespace autotp::zero
