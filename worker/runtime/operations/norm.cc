// rms_norm, layer_norm: over the last dimension, in fp32.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

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
  explicit RmsNorm(double epsilon) : epsilon_(epsilon) {}

  absl::Status Forward(ForwardContext& context) override {
    x_ = context.Input(0).contiguous();
    weight_ = context.Input(1);
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

 private:
  const double epsilon_;
  at::Tensor x_;
  at::Tensor weight_;
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
        at::native_layer_norm(ToFloat(x_), {x_.size(-1)}, ToFloat(weight_),
                              context.FloatInput(2), epsilon_);
    context.Give(0, std::move(y));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor bias = bias_.defined() ? ToFloat(bias_) : at::Tensor();
    auto [dx, dweight, dbias] = at::native_layer_norm_backward(
        context.FloatGradient(0), ToFloat(x_), {x_.size(-1)}, mean_, inverse_,
        ToFloat(weight_), bias,
        {context.Needs(0), context.Needs(1), context.Needs(2)});
    x_ = weight_ = bias_ = mean_ = inverse_ = at::Tensor();
    if (context.Needs(0)) context.Add(0, std::move(dx));
    if (context.Needs(1)) context.Add(1, std::move(dweight));
    if (context.Needs(2)) context.Add(2, std::move(dbias));
    return absl::OkStatus();
  }

 private:
  const double epsilon_;
  at::Tensor x_, weight_, bias_, mean_, inverse_;
};

}  // namespace

OperationOr MakeRmsNorm(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const double epsilon,
                          Attributes(info.node).Number("eps"));
  return std::make_unique<RmsNorm>(epsilon);
}

OperationOr MakeLayerNorm(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const double epsilon,
                          Attributes(info.node).Number("eps"));
  return std::make_unique<LayerNorm>(epsilon);
}

}  // namespace autotp::runtime
