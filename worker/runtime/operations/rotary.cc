// rotary_table, rotary: position by rotation of pairs; alibi_table: by a bias.
#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>

#include <cmath>

#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/rotary.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

// A constant: made once, given in every run.
class RotaryTable final : public Operation {
 public:
  RotaryTable(const std::vector<double>& frequencies, int64_t length,
              double scale) {
    const int64_t half = static_cast<int64_t>(frequencies.size());
    cos_ = at::empty({length, 2 * half}, at::kFloat);
    sin_ = at::empty({length, 2 * half}, at::kFloat);
    float* cos = cos_.mutable_data_ptr<float>();
    float* sin = sin_.mutable_data_ptr<float>();
    for (int64_t t = 0; t < length; ++t) {
      for (int64_t i = 0; i < half; ++i) {
        // The angle is a product of floats, as models compute it.
        const float angle =
            static_cast<float>(t) * static_cast<float>(frequencies[i]);
        const int64_t at = t * 2 * half + i;
        cos[at] = cos[at + half] =
            static_cast<float>(std::cos(static_cast<double>(angle)) * scale);
        sin[at] = sin[at + half] =
            static_cast<float>(std::sin(static_cast<double>(angle)) * scale);
      }
    }
  }

  absl::Status Forward(ForwardContext& context) override {
    context.Give(0, cos_);
    context.Give(1, sin_);
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext&) override { return absl::OkStatus(); }

  bool Keeps() const override { return false; }

 private:
  at::Tensor cos_, sin_;
};

float RoundToBfloat16(float x) { return static_cast<float>(c10::BFloat16(x)); }

// A constant too: [heads, length].
class AlibiTable final : public Operation {
 public:
  AlibiTable(const std::vector<double>& slopes, int64_t length, double scale,
             bool rounded)
      : bias_(at::empty({static_cast<int64_t>(slopes.size()), length},
                        at::kFloat)) {
    float* bias = bias_.mutable_data_ptr<float>();
    for (double number : slopes) {
      auto slope = static_cast<float>(number);
      if (rounded) slope = RoundToBfloat16(slope);
      for (int64_t t = 0; t < length; ++t) {
        auto position = static_cast<float>(t);
        if (rounded) position = RoundToBfloat16(position);
        float product = slope * position;
        if (rounded) product = RoundToBfloat16(product);
        *bias++ = product * static_cast<float>(scale);
      }
    }
  }

  absl::Status Forward(ForwardContext& context) override {
    context.Give(0, bias_);
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext&) override { return absl::OkStatus(); }

  bool Keeps() const override { return false; }

 private:
  at::Tensor bias_;
};

kernel::HeadStrides StridesOf(const at::Tensor& x) {
  return {x.stride(0), x.stride(1), x.stride(2)};
}

at::Tensor WithDenseRows(const at::Tensor& x) {
  return x.size(-1) == 1 || x.stride(-1) == 1 ? x : x.contiguous();
}

class Rotary final : public Operation {
 public:
  explicit Rotary(bool interleaved) : interleaved_(interleaved) {}

  absl::Status Forward(ForwardContext& context) override {
    cos_ = ToFloat(context.Input(1)).contiguous();
    sin_ = ToFloat(context.Input(2)).contiguous();
    const at::Tensor x = WithDenseRows(context.FloatInput(0));
    at::Tensor y = at::empty(x.sizes(), x.options());
    Turn(x, false, y);
    context.Give(0, std::move(y));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = WithDenseRows(context.FloatGradient(0));
    if (context.Needs(0)) {
      // [B,T,H,D] in memory: the layout that the linear before it reads.
      at::Tensor dx =
          at::empty({dy.size(0), dy.size(2), dy.size(1), dy.size(3)},
                    dy.options())
              .transpose(1, 2);
      Turn(dy, true, dx);
      context.Add(0, std::move(dx));
    }
    cos_ = sin_ = at::Tensor();
    return absl::OkStatus();
  }

  void Forget() override { cos_ = sin_ = at::Tensor(); }

 private:
  void Turn(const at::Tensor& x, bool inverse, at::Tensor& y) const {
    const kernel::RotaryShape shape{x.size(1), x.size(2), x.size(3),
                                    cos_.size(1), interleaved_};
    const float* in = x.const_data_ptr<float>();
    const float* cos = cos_.const_data_ptr<float>();
    const float* sin = sin_.const_data_ptr<float>();
    float* out = y.mutable_data_ptr<float>();
    const int64_t rows = x.size(0) * x.size(2);
    ParallelFor(rows, 32, [&](int64_t begin, int64_t end) {
      kernel::Rotate(in, StridesOf(x), cos, sin, shape, begin, end, inverse,
                     out, StridesOf(y));
    });
  }

  const bool interleaved_;
  at::Tensor cos_, sin_;
};

}  // namespace

OperationOr MakeRotaryTable(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<double> frequencies,
                          attributes.Numbers("inv_freq"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t length, attributes.Integer("length"));
  AUTOTP_ASSIGN_OR_RETURN(const double scale, attributes.Number("scale", 1.0));
  return std::make_unique<RotaryTable>(frequencies, length, scale);
}

OperationOr MakeRotary(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const bool interleaved,
                          Attributes(info.node).Flag("interleaved", false));
  return std::make_unique<Rotary>(interleaved);
}

OperationOr MakeAlibiTable(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<double> slopes,
                          attributes.Numbers("slopes"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t length, attributes.Integer("length"));
  AUTOTP_ASSIGN_OR_RETURN(const double scale, attributes.Number("scale", 1.0));
  AUTOTP_ASSIGN_OR_RETURN(const bool rounded,
                          attributes.Flag("rounded", false));
  return std::make_unique<AlibiTable>(slopes, length, scale, rounded);
}

}  // namespace autotp::runtime
