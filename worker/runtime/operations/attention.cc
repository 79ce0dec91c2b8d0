// attention: softmax(q k^T scale, causal) v, block by block of queries.
//
// Scores exist for one block at a time, so memory grows with T, not T^2; keys
// that no query of the block may see are never multiplied. The query heads
// that share a key and value head are rows of one matrix, so grouped heads
// need no copies of keys and values. The backward makes the scores again from
// the kept logarithms of their sums.
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/softmax.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

constexpr int64_t kBlock = 64;  // queries

// B sequences, G key and value heads, R query heads for each, T tokens, D wide.
struct Sizes {
  int64_t B, G, R, T, D;
  int64_t groups() const { return B * G; }
};

// Queries [begin, end) and the keys that they may see, [first, end).
struct Block {
  int64_t begin, end, first;
  int64_t queries() const { return end - begin; }
  int64_t keys() const { return end - first; }
};

// [B,G,T,D], any strides -> [B*G,T,D], dense.
at::Tensor DenseKeys(const at::Tensor& x, const Sizes& s) {
  return ToFloat(x).reshape({s.groups(), s.T, s.D});
}

// A block of [B,H,T,D] as one matrix per group: [B*G, R*queries, D].
at::Tensor QueryBlock(const at::Tensor& x, const Sizes& s,
                      const Block& block) {
  return x.narrow(2, block.begin, block.queries())
      .reshape({s.groups(), s.R * block.queries(), s.D});
}

// The other way, into the place of the block.
void StoreBlock(const at::Tensor& rows, const Sizes& s, const Block& block,
                at::Tensor& x) {
  x.narrow(2, block.begin, block.queries())
      .copy_(rows.view({s.B, s.G * s.R, block.queries(), s.D}));
}

class Attention final : public Operation {
 public:
  Attention(double scale, int64_t window) : scale_(scale), window_(window) {}

  absl::Status Forward(ForwardContext& context) override {
    q_ = context.Input(0);
    const at::Tensor q = ToFloat(q_);
    k_ = DenseKeys(context.Input(1), SizesOf(q_, context.Input(1)));
    const Sizes s = SizesOf(q_, context.Input(1));
    v_ = DenseKeys(context.Input(2), s);
    // [B,T,H,D] in memory: what the linear behind it reads.
    at::Tensor y =
        at::empty({s.B, s.T, s.G * s.R, s.D}, q.options()).transpose(1, 2);
    log_sum_ = at::empty({s.T, s.groups(), s.R}, q.options());
    for (const Block& block : Blocks(s.T)) {
      at::Tensor scores = Scores(QueryBlock(q, s, block), block);
      float* p = scores.mutable_data_ptr<float>();
      float* sums = LogSums(s, block);
      ForEachRow(s, block, [&](int64_t row, int64_t from, int64_t count) {
        sums[row] = kernel::SoftmaxRow(p + row * block.keys(), from, count,
                                       block.keys());
      });
      StoreBlock(at::bmm(scores, Keys(v_, block)), s, block, y);
    }
    sizes_ = s;
    y_ = y;
    context.Give(0, std::move(y));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const Sizes s = sizes_;
    const at::Tensor q = ToFloat(std::exchange(q_, at::Tensor()));
    const at::Tensor y = std::exchange(y_, at::Tensor());
    const at::Tensor dy = context.FloatGradient(0);
    at::Tensor dq =
        at::empty({s.B, s.T, s.G * s.R, s.D}, q.options()).transpose(1, 2);
    at::Tensor dk = at::zeros({s.groups(), s.T, s.D}, q.options());
    at::Tensor dv = at::zeros({s.groups(), s.T, s.D}, q.options());
    for (const Block& block : Blocks(s.T)) {
      const at::Tensor rows = QueryBlock(q, s, block);
      const at::Tensor dy_rows = QueryBlock(dy, s, block);
      const at::Tensor dots =
          dy_rows.mul(QueryBlock(y, s, block)).sum(-1).contiguous();
      at::Tensor p = Scores(rows, block);
      at::Tensor ds = at::bmm(dy_rows, Keys(v_, block).transpose(1, 2));
      float* scores = p.mutable_data_ptr<float>();
      float* gradients = ds.mutable_data_ptr<float>();
      const float* dot = dots.const_data_ptr<float>();
      const float* sums = LogSums(s, block);
      ForEachRow(s, block, [&](int64_t row, int64_t from, int64_t count) {
        const int64_t at = row * block.keys();
        kernel::SoftmaxRowBackward(scores + at, gradients + at, from, count,
                                   block.keys(), sums[row], dot[row],
                                   static_cast<float>(scale_));
      });
      AddProduct(p, dy_rows, block, dv);
      AddProduct(ds, rows, block, dk);
      StoreBlock(at::bmm(ds, Keys(k_, block)), s, block, dq);
    }
    k_ = v_ = log_sum_ = at::Tensor();
    const std::vector<int64_t> shape = {s.B, s.G, s.T, s.D};
    if (context.Needs(0)) context.Add(0, std::move(dq));
    if (context.Needs(1)) context.Add(1, dk.view(shape));
    if (context.Needs(2)) context.Add(2, dv.view(shape));
    return absl::OkStatus();
  }

 private:
  static Sizes SizesOf(const at::Tensor& q, const at::Tensor& k) {
    return {q.size(0), k.size(1), q.size(1) / k.size(1), q.size(2), q.size(3)};
  }

  std::vector<Block> Blocks(int64_t tokens) const {
    std::vector<Block> blocks;
    for (int64_t begin = 0; begin < tokens; begin += kBlock) {
      const int64_t first =
          window_ > 0 ? std::max<int64_t>(0, begin - window_ + 1) : 0;
      blocks.push_back({begin, std::min(begin + kBlock, tokens), first});
    }
    return blocks;
  }

  static at::Tensor Keys(const at::Tensor& x, const Block& block) {
    return x.narrow(1, block.first, block.keys());
  }

  // scale q k^T, the mask not yet applied: [B*G, R*queries, keys].
  at::Tensor Scores(const at::Tensor& rows, const Block& block) const {
    at::Tensor scores = at::empty(
        {rows.size(0), rows.size(1), block.keys()}, rows.options());
    at::baddbmm_out(scores, scores, rows, Keys(k_, block).transpose(1, 2), 0,
                    scale_);
    return scores;
  }

  // target[:, keys] += left^T right
  static void AddProduct(const at::Tensor& left, const at::Tensor& right,
                         const Block& block, at::Tensor& target) {
    at::Tensor part = target.narrow(1, block.first, block.keys());
    part.add_(at::bmm(left.transpose(1, 2), right));
  }

  float* LogSums(const Sizes& s, const Block& block) const {
    return log_sum_.mutable_data_ptr<float>() +
           block.begin * s.groups() * s.R;
  }

  // body(row, from, count): that row sees keys [from, from + count) of the
  // block's.
  template <typename Body>
  void ForEachRow(const Sizes& s, const Block& block, const Body& body) const {
    const int64_t rows = s.groups() * s.R * block.queries();
    ParallelFor(rows, 1 + 4096 / block.keys(), [&](int64_t begin,
                                                   int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t query = block.begin + row % block.queries();
        const int64_t first =
            window_ > 0 ? std::max(block.first, query - window_ + 1)
                        : block.first;
        body(row, first - block.first, query + 1 - first);
      }
    });
  }

  const double scale_;
  const int64_t window_;  // 0: none
  Sizes sizes_{};
  at::Tensor q_, k_, v_, y_, log_sum_;
};

}  // namespace

OperationOr MakeAttention(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const double scale, attributes.Number("scale"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t window,
                          attributes.Integer("window", 0));
  return std::make_unique<Attention>(scale, window);
}

}  // namespace autotp::runtime
