// cross_entropy: loss in the forward, with the gradient written over the
// logits, so that no second tensor of that size ever exists.
#include <ATen/ops/empty.h>

#include <cmath>

#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/cross_entropy.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

constexpr int64_t kIgnoredLabel = -100;

class CrossEntropy final : public Operation {
 public:
  CrossEntropy(int64_t begin, int64_t end, bool shift, bool is_loss,
               collective::Communicator* group)
      : begin_(begin),
        end_(end),
        shift_(shift),
        is_loss_(is_loss),
        group_(group) {}

  absl::Status Forward(ForwardContext& context) override {
    at::Tensor logits = context.TakeInput(0);
    shape_ = logits.sizes().vec();
    rows_ = shape_[0] * shape_[1];
    columns_ = shape_[2];
    const int64_t counted = ReadTargets(context.Input(1));
    if (logits.scalar_type() != at::kFloat) {
      logits = logits.to(at::kFloat);
    } else if (!IsOwned(logits) || !logits.is_contiguous()) {
      logits = logits.clone(at::MemoryFormat::Contiguous);
    }
    // Of anything but the program's loss the outer gradient is not known yet.
    factor_ = is_loss_ ? context.gradient_factor() : 1.0;
    const double mean = counted > 0 ? 1.0 / static_cast<double>(counted) : 0.0;
    AUTOTP_ASSIGN_OR_RETURN(
        const double sum,
        SumAndDifferentiate(logits, static_cast<float>(factor_ * mean)));
    at::Tensor loss = at::empty({}, at::kFloat);
    *loss.mutable_data_ptr<float>() = static_cast<float>(sum * mean);
    gradient_ = std::move(logits);
    context.Give(0, std::move(loss));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const float outer = context.FloatGradient(0).item<float>();
    at::Tensor gradient = std::move(gradient_);
    if (!is_loss_) gradient.mul_(outer);
    if (context.Needs(0)) context.Add(0, std::move(gradient));
    return absl::OkStatus();
  }

  void Forget() override { gradient_ = at::Tensor(); }

 private:
  // Position t of a sequence predicts label t, or t+1. Returns how many count.
  int64_t ReadTargets(const at::Tensor& labels) {
    const at::Tensor dense = labels.contiguous();
    const int64_t* label = dense.const_data_ptr<int64_t>();
    const int64_t length = shape_[1];
    targets_.assign(rows_, kernel::kIgnored);
    int64_t counted = 0;
    for (int64_t row = 0; row < rows_; ++row) {
      if (shift_ && row % length == length - 1) continue;
      const int64_t target = label[row + (shift_ ? 1 : 0)];
      if (target == kIgnoredLabel) continue;
      ++counted;
      const int64_t local = target - begin_;
      targets_[row] =
          local >= 0 && local < columns_ ? local : kernel::kElsewhere;
    }
    return counted;
  }

  // The sum of the rows' losses; logits become factor * its gradient.
  absl::StatusOr<double> SumAndDifferentiate(at::Tensor& logits, float factor) {
    float* values = logits.mutable_data_ptr<float>();
    const int64_t grain = 1 + 16384 / std::max<int64_t>(1, columns_);
    std::vector<float> maximum(rows_);
    std::vector<float> sums(2 * rows_);
    float* sum = sums.data();
    float* target = sums.data() + rows_;
    ParallelFor(rows_, grain, [&](int64_t begin, int64_t end) {
      kernel::RowMaximum(values + begin * columns_, end - begin, columns_,
                         maximum.data() + begin);
    });
    AUTOTP_RETURN_IF_ERROR(Reduce(maximum, collective::Reduction::kMax));
    ParallelFor(rows_, grain, [&](int64_t begin, int64_t end) {
      kernel::Exponentiate(values + begin * columns_, targets_.data() + begin,
                           maximum.data() + begin, end - begin, columns_,
                           sum + begin, target + begin);
    });
    AUTOTP_RETURN_IF_ERROR(Reduce(sums, collective::Reduction::kSum));
    ParallelFor(rows_, grain, [&](int64_t begin, int64_t end) {
      kernel::ToGradient(values + begin * columns_, targets_.data() + begin,
                         sum + begin, end - begin, columns_, factor);
    });
    double total = 0;
    for (int64_t row = 0; row < rows_; ++row) {
      if (targets_[row] == kernel::kIgnored) continue;
      total += std::log(static_cast<double>(sum[row])) - target[row];
    }
    return total;
  }

  absl::Status Reduce(std::vector<float>& values,
                      collective::Reduction reduction) {
    if (end_ < 0 || group_ == nullptr) return absl::OkStatus();
    return group_
        ->AllReduce({values.data(), static_cast<int64_t>(values.size()),
                     collective::ElementType::kFloat32},
                    reduction)
        ->Wait();
  }

  const int64_t begin_;
  const int64_t end_;  // -1: all of the vocabulary is here
  const bool shift_;
  const bool is_loss_;
  collective::Communicator* const group_;
  std::vector<int64_t> shape_;
  int64_t rows_ = 0;
  int64_t columns_ = 0;
  std::vector<int64_t> targets_;
  double factor_ = 1.0;
  at::Tensor gradient_;
};

}  // namespace

OperationOr MakeCrossEntropy(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const int64_t begin,
                          attributes.Integer("row_begin", 0));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t end, attributes.Integer("row_end", -1));
  AUTOTP_ASSIGN_OR_RETURN(const bool shift, attributes.Flag("shift", true));
  return std::make_unique<CrossEntropy>(begin, end, shift, info.produces_loss,
                                        info.tensor_group);
}

}  // namespace autotp::runtime
