// attention: softmax(scores) v, a task per key and value head.
#include <ATen/ops/empty.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/attention.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/dropout_places.h"
#include "worker/runtime/matrix_product.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

at::Tensor WithDenseRows(const at::Tensor& x) {
  return x.size(-1) == 1 || x.stride(-1) == 1 ? x : x.contiguous();
}

// [B,heads,T,width], [B,T,heads,width] in memory: the layout of the linears
// around attention.
at::Tensor MakeHeads(const at::Tensor& like, int64_t heads, int64_t width) {
  return at::empty({like.size(0), like.size(2), heads, width},
                   like.options().dtype(at::kFloat))
      .transpose(1, 2);
}

// The heads [first, ...) of sequence `b`.
kernel::ConstHeadRows ReadRows(const at::Tensor& x, int64_t b, int64_t first) {
  return {x.const_data_ptr<float>() + b * x.stride(0) + first * x.stride(1),
          x.stride(1), x.stride(2)};
}

kernel::MutableHeadRows WriteRows(const at::Tensor& x, int64_t b,
                                  int64_t first) {
  return {x.mutable_data_ptr<float>() + b * x.stride(0) + first * x.stride(1),
          x.stride(1), x.stride(2)};
}

struct AttentionOptions {
  double scale = 1;
  bool causal = true;
  int64_t window = 0;   // 0: none
  double soft_cap = 0;  // 0: none
  double dropout = 0;   // 0: none
  int64_t stream = 0;
  std::vector<int64_t> head_places;  // in the model, with dropout
};

class Attention final : public Operation {
 public:
  explicit Attention(AttentionOptions options) : options_(std::move(options)) {}

  absl::Status Forward(ForwardContext& context) override {
    random_.reset();
    if (context.random() != nullptr && options_.dropout > 0) {
      random_ = *context.random();
      drop_ = kernel::MakeDropoutStream(random_->seed, options_.stream,
                                        options_.dropout);
    }
    q_ = WithDenseRows(context.Input(0));
    k_ = WithDenseRows(context.Input(1));
    v_ = WithDenseRows(context.Input(2));
    bias_ = context.FloatInput(3);
    if (bias_.defined()) bias_ = bias_.contiguous();
    AUTOTP_RETURN_IF_ERROR(NoteDocuments(context.Input(4)));
    seen_ = context.Input(5);
    if (seen_.defined()) seen_ = seen_.contiguous();
    const at::Tensor q = ToFloat(q_);
    const at::Tensor k = ToFloat(k_);
    const at::Tensor v = ToFloat(v_);
    const kernel::AttentionShape shape = ShapeOf(q, k, v);
    y_ = MakeHeads(q, q.size(1), v.size(3));
    log_sums_ = at::empty({q.size(0), q.size(1), q.size(2)}, q.options());
    ForEachGroup(shape, k, [&](int64_t b, int64_t g, int64_t head) {
      kernel::AttentionForward(At(shape, b, head), MultiplyMatrices,
                               ReadRows(q, b, head), ReadRows(k, b, g),
                               ReadRows(v, b, g), WriteRows(y_, b, head),
                               LogSums(b, head));
    });
    context.Give(0, y_);
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = WithDenseRows(context.FloatGradient(0));
    const at::Tensor q = ToFloat(std::exchange(q_, at::Tensor()));
    const at::Tensor k = ToFloat(std::exchange(k_, at::Tensor()));
    const at::Tensor v = ToFloat(std::exchange(v_, at::Tensor()));
    const at::Tensor y = std::exchange(y_, at::Tensor());
    const kernel::AttentionShape shape = ShapeOf(q, k, v);
    at::Tensor dq = MakeHeads(q, q.size(1), q.size(3));
    at::Tensor dk = MakeHeads(k, k.size(1), k.size(3));
    at::Tensor dv = MakeHeads(v, v.size(1), v.size(3));
    ForEachGroup(shape, k, [&](int64_t b, int64_t g, int64_t head) {
      kernel::AttentionBackward(
          At(shape, b, head), MultiplyMatrices, ReadRows(q, b, head),
          ReadRows(k, b, g), ReadRows(v, b, g), ReadRows(y, b, head),
          LogSums(b, head), ReadRows(dy, b, head), WriteRows(dq, b, head),
          WriteRows(dk, b, g), WriteRows(dv, b, g));
    });
    log_sums_ = bias_ = first_keys_ = seen_ = at::Tensor();
    if (context.Needs(0)) context.Add(0, std::move(dq));
    if (context.Needs(1)) context.Add(1, std::move(dk));
    if (context.Needs(2)) context.Add(2, std::move(dv));
    return absl::OkStatus();
  }

  void Forget() override {
    q_ = k_ = v_ = bias_ = first_keys_ = seen_ = y_ = log_sums_ = at::Tensor();
  }

 private:
  kernel::AttentionShape ShapeOf(const at::Tensor& q, const at::Tensor& k,
                                 const at::Tensor& v) const {
    // A rank may have no heads at all.
    return {.heads = k.size(1) == 0 ? 0 : q.size(1) / k.size(1),
            .tokens = q.size(2),
            .keys = k.size(2),
            .width = q.size(3),
            .value_width = v.size(3),
            .causal = options_.causal,
            .window = options_.window,
            .scale = static_cast<float>(options_.scale),
            .soft_cap = static_cast<float>(options_.soft_cap)};
  }

  // The first key of each query, of its position in its document.
  absl::Status NoteDocuments(const at::Tensor& positions) {
    if (!positions.defined()) return absl::OkStatus();
    const at::Tensor rows = positions.contiguous();
    first_keys_ = at::empty(rows.sizes(), rows.options());
    const int64_t tokens = rows.size(1);
    const int64_t* in = rows.const_data_ptr<int64_t>();
    auto* out = first_keys_.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < rows.numel(); ++i) {
      const int64_t t = i % tokens;
      out[i] = t - in[i];
      if (in[i] < 0 || out[i] < (t == 0 ? 0 : out[i - 1])) {
        return absl::InvalidArgumentError(absl::StrCat(
            "position ", in[i], " of token ", t, " is of no document"));
      }
    }
    return absl::OkStatus();
  }

  // With what is sequence b's and the head's alone.
  kernel::AttentionShape At(kernel::AttentionShape shape, int64_t b,
                            int64_t head) const {
    if (bias_.defined())
      shape.bias = bias_.const_data_ptr<float>() + head * shape.keys;
    if (seen_.defined())
      shape.seen = seen_.const_data_ptr<bool>() + b * shape.keys;
    if (first_keys_.defined())
      shape.first = first_keys_.const_data_ptr<int64_t>() + b * shape.tokens;
    if (random_.has_value()) {
      shape.dropout = &drop_;
      shape.sequence = random_->first_sequence + b;
      shape.head_places = options_.head_places.data() + head;
    }
    return shape;
  }

  // body(sequence, key and value head, first of its query heads)
  template <typename Body>
  static void ForEachGroup(const kernel::AttentionShape& shape,
                           const at::Tensor& k, const Body& body) {
    const int64_t groups = k.size(1);
    ParallelTasks(k.size(0) * groups, [&](int64_t task) {
      const int64_t g = task % groups;
      body(task / groups, g, g * shape.heads);
    });
  }

  float* LogSums(int64_t b, int64_t head) const {
    return log_sums_.mutable_data_ptr<float>() + b * log_sums_.stride(0) +
           head * log_sums_.stride(1);
  }

  const AttentionOptions options_;
  std::optional<RandomSource> random_;  // none: nothing is dropped
  kernel::DropoutStream drop_;
  at::Tensor q_, k_, v_, bias_, first_keys_, seen_, y_, log_sums_;
};

}  // namespace

OperationOr MakeAttention(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AttentionOptions options;
  AUTOTP_ASSIGN_OR_RETURN(options.scale, attributes.Number("scale"));
  AUTOTP_ASSIGN_OR_RETURN(options.causal, attributes.Flag("causal", true));
  AUTOTP_ASSIGN_OR_RETURN(options.window, attributes.Integer("window", 0));
  AUTOTP_ASSIGN_OR_RETURN(options.soft_cap, attributes.Number("soft_cap", 0));
  AUTOTP_ASSIGN_OR_RETURN(options.dropout, attributes.Number("dropout", 0));
  if (options.dropout > 0) {
    AUTOTP_ASSIGN_OR_RETURN(options.stream, attributes.Integer("stream"));
    const std::vector<int64_t> shape = OutputShape(info, 0);
    AUTOTP_ASSIGN_OR_RETURN(const DropoutPlaces places,
                            DropoutPlaces::Make(info.node, shape, /*dim=*/1));
    for (int64_t head = 0; head < shape[1]; ++head)
      options.head_places.push_back(places.Position(head));
  }
  return std::make_unique<Attention>(std::move(options));
}

}  // namespace autotp::runtime
