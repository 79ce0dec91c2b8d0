// linear: x weight^T + bias, or x weight + bias where the weight is stored
// transposed. The gradients' GEMMs write where they belong.
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

at::Tensor Rows(const at::Tensor& tensor) {
  return tensor.reshape({-1, tensor.size(-1)});
}

void MultiplyInto(Room& room, const at::Tensor& a, const at::Tensor& b) {
  at::Tensor out = Rows(room.tensor);
  if (room.add) {
    at::addmm_out(out, out, a, b);
  } else {
    at::mm_out(out, a, b);
  }
}

class Linear final : public Operation {
 public:
  explicit Linear(bool transposed) : transposed_(transposed) {}

  absl::Status Forward(ForwardContext& context) override {
    x_ = context.Input(0);
    weight_ = context.Input(1);
    if (!context.Wants(0)) return absl::OkStatus();
    const at::Tensor x = Rows(ToFloat(x_));
    const at::Tensor weight =
        transposed_ ? ToFloat(weight_) : ToFloat(weight_).t();
    const at::Tensor bias = context.FloatInput(2);
    at::Tensor y =
        bias.defined() ? at::addmm(bias, x, weight) : at::mm(x, weight);
    auto shape = x_.sizes().vec();
    shape.back() = y.size(1);
    // What the weight's gradient reads again, if it had to be copied.
    if (x_.scalar_type() == at::kFloat && !x_.is_contiguous())
      x_ = x.view(x_.sizes());
    context.Give(0, y.view(shape));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = Rows(context.FloatGradient(0));
    const at::Tensor weight = std::move(weight_);
    {
      const at::Tensor x = std::move(x_);
      if (context.Needs(1)) {
        Room room = context.MakeRoom(1);
        const at::Tensor rows = Rows(ToFloat(x));
        if (transposed_) {
          MultiplyInto(room, rows.t(), dy);
        } else {
          MultiplyInto(room, dy.t(), rows);
        }
        context.Deliver(1, std::move(room));
      }
    }
    if (context.Needs(2)) {
      Room room = context.MakeRoom(2);
      if (room.add) {
        room.tensor.add_(at::sum(dy, 0));
      } else {
        at::sum_out(room.tensor, dy, 0);
      }
      context.Deliver(2, std::move(room));
    }
    if (context.Needs(0)) {
      Room room = context.MakeRoom(0);
      MultiplyInto(room, dy,
                   transposed_ ? ToFloat(weight).t() : ToFloat(weight));
      context.Deliver(0, std::move(room));
    }
    return absl::OkStatus();
  }

  void Forget() override { x_ = weight_ = at::Tensor(); }

 private:
  const bool transposed_;
  at::Tensor x_;
  at::Tensor weight_;
};

}  // namespace

OperationOr MakeLinear(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const bool transposed,
                          Attributes(info.node).Flag("transposed", false));
  return std::make_unique<Linear>(transposed);
}

}  // namespace autotp::runtime
