// router: the experts of each token and their weights. router_loss: how
// unevenly the routers choose.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/router.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

constexpr int64_t kGrain = 4096;  // scores worth a thread

class Router final : public Operation {
 public:
  explicit Router(const kernel::RouterShape& shape) : shape_(shape) {}

  absl::Status Forward(ForwardContext& context) override {
    const at::Tensor logits = context.FloatInput(0).contiguous();
    at::Tensor bias = context.FloatInput(1);
    if (bias.defined()) bias = bias.contiguous();
    std::vector<int64_t> chosen_shape = logits.sizes().vec();
    chosen_shape.back() = shape_.top_k;
    scores_ = at::empty_like(logits);
    chosen_ = at::empty(chosen_shape, at::kLong);
    at::Tensor weights = at::empty(chosen_shape, at::kFloat);
    const float* in = logits.const_data_ptr<float>();
    const float* added =
        bias.defined() ? bias.const_data_ptr<float>() : nullptr;
    float* scores = scores_.mutable_data_ptr<float>();
    float* out = weights.mutable_data_ptr<float>();
    int64_t* chosen = chosen_.mutable_data_ptr<int64_t>();
    const int64_t E = shape_.experts;
    const int64_t K = shape_.top_k;
    ParallelFor(logits.numel() / E, 1 + kGrain / E,
                [&](int64_t begin, int64_t end) {
                  kernel::RouterForward(shape_, in + begin * E, added,
                                        end - begin, scores + begin * E,
                                        out + begin * K, chosen + begin * K);
                });
    context.Give(0, std::move(weights));
    context.Give(1, chosen_);
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dweights = context.FloatGradient(0).contiguous();
    const at::Tensor scores = std::exchange(scores_, at::Tensor());
    const at::Tensor chosen = std::exchange(chosen_, at::Tensor());
    if (!context.Needs(0)) return absl::OkStatus();
    at::Tensor dlogits = at::empty_like(scores);
    const float* in = scores.const_data_ptr<float>();
    const int64_t* experts = chosen.const_data_ptr<int64_t>();
    const float* outer = dweights.const_data_ptr<float>();
    float* out = dlogits.mutable_data_ptr<float>();
    const int64_t E = shape_.experts;
    const int64_t K = shape_.top_k;
    ParallelFor(scores.numel() / E, 1 + kGrain / E,
                [&](int64_t begin, int64_t end) {
                  kernel::RouterBackward(shape_, in + begin * E,
                                         experts + begin * K, outer + begin * K,
                                         end - begin, out + begin * E);
                });
    context.Add(0, std::move(dlogits));
    return absl::OkStatus();
  }

  void Forget() override { scores_ = chosen_ = at::Tensor(); }

 private:
  const kernel::RouterShape shape_;
  at::Tensor scores_;
  at::Tensor chosen_;
};

// Keeps all routers' scores: a few numbers for each token.
class RouterLoss final : public Operation {
 public:
  RouterLoss(int64_t top_k, int routers) : top_k_(top_k), routers_(routers) {}

  absl::Status Forward(ForwardContext& context) override {
    const int64_t E = context.Input(0).size(-1);
    choices_.assign(E, 0.0);
    std::vector<double> sums(E, 0.0);
    tokens_ = 0;
    scores_.clear();
    for (int i = 0; i < routers_; ++i)
      Count(context.FloatInput(i).contiguous(), &sums);
    double sum = 0;
    for (int64_t e = 0; e < E; ++e)
      sum += choices_[e] / tokens_ * (sums[e] / tokens_);
    at::Tensor loss = at::empty({}, at::kFloat);
    *loss.mutable_data_ptr<float>() =
        static_cast<float>(sum * static_cast<double>(E));
    context.Give(0, std::move(loss));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const double outer = context.FloatGradient(0).item<float>();
    const auto E = static_cast<int64_t>(choices_.size());
    std::vector<float> gradient;
    for (const double count : choices_) {
      gradient.push_back(static_cast<float>(outer * static_cast<double>(E) *
                                            count / tokens_ / tokens_));
    }
    for (size_t i = 0; i < scores_.size(); ++i) {
      at::Tensor scores = std::move(scores_[i]);
      if (!context.Needs(static_cast<int>(i))) continue;
      float* own = scores.mutable_data_ptr<float>();
      ParallelFor(scores.numel() / E, 1 + kGrain / E,
                  [&](int64_t begin, int64_t end) {
                    kernel::RouterScoresBackward(gradient.data(), E,
                                                 end - begin, own + begin * E);
                  });
      context.Add(static_cast<int>(i), std::move(scores));
    }
    scores_.clear();
    return absl::OkStatus();
  }

  void Forget() override { scores_.clear(); }

 private:
  // One router's scores and choices.
  void Count(const at::Tensor& logits, std::vector<double>* sums) {
    const int64_t E = logits.size(-1);
    const int64_t rows = logits.numel() / E;
    kernel::RouterShape shape{.experts = E, .top_k = top_k_};
    at::Tensor scores = at::empty_like(logits);
    std::vector<int64_t> chosen(rows * top_k_);
    std::vector<float> weights(rows * top_k_);
    const float* in = logits.const_data_ptr<float>();
    float* out = scores.mutable_data_ptr<float>();
    ParallelFor(rows, 1 + kGrain / E, [&](int64_t begin, int64_t end) {
      kernel::RouterForward(shape, in + begin * E, nullptr, end - begin,
                            out + begin * E, weights.data() + begin * top_k_,
                            chosen.data() + begin * top_k_);
    });
    for (const int64_t expert : chosen) choices_[expert] += 1;
    for (int64_t i = 0; i < rows * E; ++i) (*sums)[i % E] += out[i];
    tokens_ += static_cast<double>(rows);
    scores_.push_back(std::move(scores));
  }

  const int64_t top_k_;
  const int routers_;
  std::vector<double> choices_;  // [expert]
  double tokens_ = 0;            // of all routers
  std::vector<at::Tensor> scores_;
};

absl::StatusOr<bool> IsSigmoid(const Attributes& attributes) {
  AUTOTP_ASSIGN_OR_RETURN(const std::string scores, attributes.Text("scores"));
  if (scores != "softmax" && scores != "sigmoid") {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown scores '", scores, "'"));
  }
  return scores == "sigmoid";
}

}  // namespace

OperationOr MakeRouter(const NodeInfo& info) {
  const Attributes attributes(info.node);
  kernel::RouterShape shape;
  shape.experts = InputShape(info, 0).back();
  AUTOTP_ASSIGN_OR_RETURN(shape.top_k, attributes.Integer("top_k"));
  AUTOTP_ASSIGN_OR_RETURN(shape.groups, attributes.Integer("groups", 1));
  AUTOTP_ASSIGN_OR_RETURN(shape.top_groups,
                          attributes.Integer("top_groups", 1));
  AUTOTP_ASSIGN_OR_RETURN(shape.sigmoid, IsSigmoid(attributes));
  AUTOTP_ASSIGN_OR_RETURN(shape.normalize, attributes.Flag("normalize", false));
  AUTOTP_ASSIGN_OR_RETURN(const double scale, attributes.Number("scale", 1.0));
  shape.scale = static_cast<float>(scale);
  return std::make_unique<Router>(shape);
}

OperationOr MakeRouterLoss(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const int64_t top_k,
                          Attributes(info.node).Integer("top_k"));
  return std::make_unique<RouterLoss>(top_k, info.node.inputs_size());
}

}  // namespace autotp::runtime
