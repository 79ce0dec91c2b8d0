// embedding: rows of a weight by token id; other ranks' rows are zeros.
#include <ATen/ops/embedding.h>

#include <utility>

#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

class Embedding final : public Operation {
 public:
  Embedding(int64_t padding, int64_t begin, int64_t end)
      : padding_(padding), begin_(begin), end_(end) {}

  absl::Status Forward(ForwardContext& context) override {
    const at::Tensor& weight = context.Input(0);
    ids_ = context.Input(1);
    if (end_ < 0) {
      context.Give(0, at::embedding(weight, ids_));
      return absl::OkStatus();
    }
    at::Tensor local = ids_.sub(begin_);
    const at::Tensor elsewhere =
        local.lt(0).logical_or_(local.ge(end_ - begin_));
    if (end_ == begin_) {
      auto shape = ids_.sizes().vec();
      shape.push_back(weight.size(1));
      context.Give(0, weight.new_zeros(shape));
      return absl::OkStatus();
    }
    local.masked_fill_(elsewhere, 0);
    at::Tensor rows = at::embedding(weight, local);
    rows.masked_fill_(elsewhere.unsqueeze(-1), 0);
    context.Give(0, std::move(rows));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor ids = std::exchange(ids_, at::Tensor()).contiguous();
    const at::Tensor gradient = context.FloatGradient(0).contiguous();
    if (!context.Needs(0)) return absl::OkStatus();
    Room room = context.MakeRoom(0);
    if (!room.add) room.tensor.zero_();
    const int64_t first = end_ < 0 ? 0 : begin_;
    const int64_t rows = room.tensor.size(0);
    const int64_t columns = room.tensor.size(1);
    const int64_t tokens = ids.numel();
    const int64_t* id = ids.const_data_ptr<int64_t>();
    const float* from = gradient.const_data_ptr<float>();
    float* to = room.tensor.mutable_data_ptr<float>();
    // Threads share columns, not tokens: the sums keep one order.
    ParallelFor(columns, 64, [&](int64_t begin, int64_t end) {
      for (int64_t t = 0; t < tokens; ++t) {
        const int64_t row = id[t] - first;
        if (row < 0 || row >= rows || id[t] == padding_) continue;
        const float* in = from + t * columns;
        float* out = to + row * columns;
        for (int64_t c = begin; c < end; ++c) out[c] += in[c];
      }
    });
    context.Deliver(0, std::move(room));
    return absl::OkStatus();
  }

  void Forget() override { ids_ = at::Tensor(); }

 private:
  const int64_t padding_;
  const int64_t begin_;
  const int64_t end_;  // -1: the weight has all rows
  at::Tensor ids_;
};

}  // namespace

OperationOr MakeEmbedding(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const int64_t padding,
                          attributes.Integer("padding_idx", -1));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t begin,
                          attributes.Integer("row_begin", 0));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t end, attributes.Integer("row_end", -1));
  return std::make_unique<Embedding>(padding, begin, end);
}

}  // namespace autotp::runtime
