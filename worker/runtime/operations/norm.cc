// rms_norm, layer_norm: over the last dimension, in fp32.
#include <ATen/ExpandUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/rms_norm.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

// The weight's gradient is summed in this many pieces, whatever the number of
// threads, so that its bits do not depend on it.
constexpr int64_t kPieces = 16;

class RmsNorm final : public Operation {
 public:
  RmsNorm(double epsilon, double offset) : epsilon_(epsilon), offset_(offset) {}

  absl::Status Forward(ForwardContext& context) override {
    x_ = context.Input(0).contiguous();
    weight_ = context.Input(1);
    if (offset_ != 0) weight_ = ToFloat(weight_).add(offset_);
    const at::Tensor x = ToFloat(x_);
    const at::Tensor weight = ToFloat(weight_).contiguous();
    const int64_t columns = x.size(-1);
    const int64_t rows = columns == 0 ? 0 : x.numel() / columns;
    at::Tensor y = at::empty_like(x);
    inverse_ = at::empty({rows}, x.options());
    const float* in = x.const_data_ptr<float>();
    const float* w = weight.const_data_ptr<float>();
    float* out = y.mutable_data_ptr<float>();
    float* inverse = inverse_.mutable_data_ptr<float>();
    ParallelFor(rows, 1 + 8192 / std::max<int64_t>(1, columns),
                [&](int64_t begin, int64_t end) {
                  kernel::RmsNormForward(in + begin * columns, w, end - begin,
                                         columns, static_cast<float>(epsilon_),
                                         out + begin * columns,
                                         inverse + begin);
                });
    context.Give(0, std::move(y));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.FloatGradient(0).contiguous();
    const at::Tensor x = ToFloat(std::exchange(x_, at::Tensor()));
    const at::Tensor weight =
        ToFloat(std::exchange(weight_, at::Tensor())).contiguous();
    const at::Tensor inverse = std::move(inverse_);
    const int64_t columns = x.size(-1);
    const int64_t rows = inverse.numel();
    Room dx;
    if (context.Needs(0)) {
      dx = context.MakeRoom(0);
    } else {
      dx.tensor = at::empty_like(x);
    }
    const at::Tensor sums = at::zeros({kPieces, columns}, x.options());
    const float* g = dy.const_data_ptr<float>();
    const float* in = x.const_data_ptr<float>();
    const float* w = weight.const_data_ptr<float>();
    const float* r = inverse.const_data_ptr<float>();
    float* out = dx.tensor.mutable_data_ptr<float>();
    float* sum = sums.mutable_data_ptr<float>();
    ParallelFor(kPieces, 1, [&](int64_t first, int64_t last) {
      for (int64_t piece = first; piece < last; ++piece) {
        const int64_t begin = rows * piece / kPieces;
        const int64_t end = rows * (piece + 1) / kPieces;
        const int64_t at = begin * columns;
        kernel::RmsNormBackward(g + at, in + at, w, r + begin, end - begin,
                                columns, dx.add, out + at,
                                sum + piece * columns);
      }
    });
    if (context.Needs(0)) context.Deliver(0, std::move(dx));
    if (context.Needs(1)) context.Add(1, sums.sum(0));
    return absl::OkStatus();
  }

  void Forget() override { x_ = weight_ = inverse_ = at::Tensor(); }

 private:
  const double epsilon_;
  const double offset_;
  at::Tensor x_;
  at::Tensor weight_;
  at::Tensor inverse_;
};

// The columns lie on several ranks: each adds its part of a row's sums.
class CutRmsNorm final : public Operation {
 public:
  CutRmsNorm(double epsilon, double offset, int64_t size,
             collective::Communicator* group)
      : epsilon_(epsilon),
        offset_(offset),
        size_(static_cast<double>(size)),
        group_(group) {}

  absl::Status Forward(ForwardContext& context) override {
    const at::Tensor x = context.FloatInput(0);
    weight_ = context.FloatInput(1).add(offset_);
    AUTOTP_ASSIGN_OR_RETURN(const at::Tensor sum, Sum(x.square()));
    inverse_ = sum.div(size_).add_(epsilon_).rsqrt_();
    normal_ = x.mul(inverse_);
    context.Give(0, normal_.mul(weight_));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.FloatGradient(0);
    const at::Tensor normal = std::exchange(normal_, at::Tensor());
    const at::Tensor inverse = std::exchange(inverse_, at::Tensor());
    const at::Tensor weighted = dy.mul(std::exchange(weight_, at::Tensor()));
    AUTOTP_ASSIGN_OR_RETURN(const at::Tensor dot, Sum(weighted.mul(normal)));
    if (context.Needs(0)) {
      context.Add(0, weighted.sub(normal.mul(dot.div(size_))).mul_(inverse));
    }
    const std::vector<int64_t> columns = {dy.size(-1)};
    if (context.Needs(1)) context.Add(1, at::sum_to(dy.mul(normal), columns));
    return absl::OkStatus();
  }

  void Forget() override { weight_ = normal_ = inverse_ = at::Tensor(); }

 private:
  // Of each row, over all ranks: [..., 1].
  absl::StatusOr<at::Tensor> Sum(const at::Tensor& x) const {
    at::Tensor sum = x.sum(-1, /*keepdim=*/true).contiguous();
    if (group_ == nullptr) return sum;
    AUTOTP_RETURN_IF_ERROR(group_
                               ->AllReduce({sum.data_ptr(), sum.numel(),
                                            collective::ElementType::kFloat32},
                                           collective::Reduction::kSum)
                               ->Wait());
    return sum;
  }

  const double epsilon_;
  const double offset_;
  const double size_;
  collective::Communicator* const group_;
  at::Tensor weight_;
  at::Tensor normal_;
  at::Tensor inverse_;
};

class LayerNorm final : public Operation {
 public:
  explicit LayerNorm(double epsilon) : epsilon_(epsilon) {}

  absl::Status Forward(ForwardContext& context) override {
    x_ = context.Input(0);
    weight_ = context.Input(1);
    bias_ = context.Input(2);
    at::Tensor y;
    std::tie(y, mean_, inverse_) =
        at::native_layer_norm(ToFloat(x_), {x_.size(-1)}, context.FloatInput(1),
                              context.FloatInput(2), epsilon_);
    context.Give(0, std::move(y));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const auto optional = [](const at::Tensor& tensor) {
      return tensor.defined() ? ToFloat(tensor) : at::Tensor();
    };
    auto [dx, dweight, dbias] = at::native_layer_norm_backward(
        context.FloatGradient(0), ToFloat(x_), {x_.size(-1)}, mean_, inverse_,
        optional(weight_), optional(bias_),
        {context.Needs(0), context.Needs(1), context.Needs(2)});
    x_ = weight_ = bias_ = mean_ = inverse_ = at::Tensor();
    if (context.Needs(0)) context.Add(0, std::move(dx));
    if (context.Needs(1)) context.Add(1, std::move(dweight));
    if (context.Needs(2)) context.Add(2, std::move(dbias));
    return absl::OkStatus();
  }

  void Forget() override {
    x_ = weight_ = bias_ = mean_ = inverse_ = at::Tensor();
  }

 private:
  const double epsilon_;
  at::Tensor x_, weight_, bias_, mean_, inverse_;
};

}  // namespace

OperationOr MakeRmsNorm(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const double epsilon, attributes.Number("eps"));
  AUTOTP_ASSIGN_OR_RETURN(const double offset, attributes.Number("offset", 0));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t size, attributes.Integer("size", 0));
  if (size == 0) return std::make_unique<RmsNorm>(epsilon, offset);
  return std::make_unique<CutRmsNorm>(epsilon, offset, size, info.tensor_group);
}

OperationOr MakeLayerNorm(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const double epsilon,
                          Attributes(info.node).Number("eps"));
  return std::make_unique<LayerNorm>(epsilon);
}

}  // namespace autotp::runtime
