// Goal: dropout is what PyTorch would compute with the same masks, and a part
// of a value gets its part of the whole value's mask.
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/unit/worker/runtime/operation_harness.h"
#include "worker/kernel/cpu/dropout.h"

namespace autotp::testing {
namespace {

constexpr double kProbability = 0.3;
constexpr int64_t kStream = 2;

// The factors of a whole value [B,...,columns].
at::Tensor Mask(const std::vector<int64_t>& shape) {
  const kernel::DropoutStream stream =
      kernel::MakeDropoutStream(kRandomSource.seed, kStream, kProbability);
  at::Tensor mask = at::zeros(shape);
  const int64_t columns = shape.back();
  const int64_t rows = mask.numel() / shape[0] / columns;
  for (int64_t row = 0; row < shape[0] * rows; ++row) {
    kernel::DropoutFactors(stream, kRandomSource.first_sequence + row / rows,
                           row % rows, 0, columns,
                           mask.mutable_data_ptr<float>() + row * columns);
  }
  return mask;
}

OneNode Dropout() {
  OneNode node("dropout");
  node.Set("probability", kProbability).Set("stream", kStream);
  return node;
}

TEST(Dropout, IsAProductWithTheMask) {
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{3, 5, 70}, {2, 6}, {2, 3, 4, 5}}) {
    ExpectLikeReference(Dropout(), {at::randn(shape)},
                        [&](const std::vector<at::Tensor>& in) {
                          return in[0].mul(Mask(shape));
                        });
  }
}

TEST(Dropout, RanksDrawTheirPartsOfOneMask) {
  const std::vector<int64_t> shape = {2, 6, 10};
  const at::Tensor x = at::randn(shape);
  const at::Tensor whole =
      RunOperation(Dropout(), {x}, at::ones(shape), shape).output;
  EXPECT_TRUE(whole.equal(x.mul(Mask(shape))));
  for (const int64_t dim : {0, 1, 2}) {
    // The first position and the last ones; what is between.
    const int64_t size = shape[dim];
    for (const std::vector<int64_t>& own :
         {std::vector<int64_t>{0, 1, size - 1, size}, {1, size - 1}}) {
      const auto take = [&](const at::Tensor& from) {
        std::vector<at::Tensor> parts;
        for (size_t i = 0; i < own.size(); i += 2)
          parts.push_back(from.narrow(dim, own[i], own[i + 1] - own[i]));
        return at::cat(parts, dim);
      };
      const at::Tensor part = take(x);
      OneNode node = Dropout();
      node.Set("dim", dim).Set("size", size).Set("intervals", own);
      const Outcome got = RunOperation(node, {part}, at::ones(part.sizes()),
                                       part.sizes().vec());
      ASSERT_TRUE(got.status.ok()) << got.status;
      EXPECT_TRUE(got.output.equal(take(whole))) << "dimension " << dim;
      EXPECT_TRUE(got.gradients[0].allclose(take(Mask(shape))));
    }
  }
}

TEST(Dropout, IntervalsThatDoNotFitAreRefused) {
  OneNode node = Dropout();
  node.Set("dim", int64_t{1})
      .Set("size", int64_t{9})
      .Set("intervals", std::vector<int64_t>{0, 2});
  EXPECT_EQ(RunOperation(node, {at::randn({2, 3})}, at::ones({2, 3}), {2, 3})
                .status.code(),
            absl::StatusCode::kInvalidArgument);
}

struct AttentionCase {
  int64_t heads, groups, tokens, window;
  double soft_cap;
};

OneNode Attention(const AttentionCase& c) {
  OneNode node("attention");
  node.Set("scale", 0.5).Set("dropout", kProbability).Set("stream", kStream);
  if (c.window > 0) node.Set("window", c.window);
  if (c.soft_cap > 0) node.Set("soft_cap", c.soft_cap);
  return node;
}

// The block as Transformers' eager attention computes it.
at::Tensor EagerAttention(const std::vector<at::Tensor>& in,
                          const AttentionCase& c, const at::Tensor& mask) {
  const int64_t repeats = c.heads / c.groups;
  const at::Tensor k = in[1].repeat_interleave(repeats, 1);
  const at::Tensor v = in[2].repeat_interleave(repeats, 1);
  at::Tensor scores = at::matmul(in[0], k.transpose(2, 3)).mul(0.5);
  if (c.soft_cap > 0) scores = scores.div(c.soft_cap).tanh().mul(c.soft_cap);
  at::Tensor seen = at::ones({c.tokens, c.tokens}).tril();
  if (c.window > 0) seen = seen.sub(seen.tril(-c.window));
  scores =
      scores.masked_fill(seen.eq(0), -std::numeric_limits<float>::infinity());
  return at::matmul(at::softmax(scores, -1).mul(mask), v);
}

TEST(Dropout, OfTheSoftmaxIsPyTorchsWithTheSameMask) {
  for (const AttentionCase& c : {AttentionCase{4, 4, 9, 0, 0},
                                 {4, 2, 70, 0, 0},
                                 {2, 1, 130, 40, 0},
                                 {2, 2, 20, 0, 3.0}}) {
    const std::vector<at::Tensor> inputs = {
        at::randn({2, c.heads, c.tokens, 8}),
        at::randn({2, c.groups, c.tokens, 8}),
        at::randn({2, c.groups, c.tokens, 6})};
    const at::Tensor mask = Mask({2, c.heads, c.tokens, c.tokens});
    ExpectLikeReference(
        Attention(c), inputs,
        [&](const std::vector<at::Tensor>& in) {
          return EagerAttention(in, c, mask);
        },
        1e-4);
  }
}

TEST(Dropout, OfTheSoftmaxDoesNotDependOnTheCutOfItsHeads) {
  const AttentionCase c = {4, 2, 12, 0, 0};
  const at::Tensor q = at::randn({2, 4, 12, 8});
  const at::Tensor k = at::randn({2, 2, 12, 8});
  const at::Tensor v = at::randn({2, 2, 12, 8});
  const at::Tensor dy = at::randn({2, 4, 12, 8});
  const Outcome whole =
      RunOperation(Attention(c), {q, k, v}, dy, {2, 4, 12, 8});
  ASSERT_TRUE(whole.status.ok()) << whole.status;
  for (const int64_t group : {0, 1}) {
    OneNode node = Attention(c);
    node.Set("size", int64_t{4})
        .Set("intervals", std::vector<int64_t>{2 * group, 2 * group + 2});
    const auto heads = [&](const at::Tensor& x) {
      return x.narrow(1, 2 * group, 2);
    };
    const Outcome part = RunOperation(
        node, {heads(q), k.narrow(1, group, 1), v.narrow(1, group, 1)},
        heads(dy), {2, 2, 12, 8});
    ASSERT_TRUE(part.status.ok()) << part.status;
    EXPECT_TRUE(part.output.equal(heads(whole.output)));
    EXPECT_TRUE(part.gradients[0].equal(heads(whole.gradients[0])));
    EXPECT_TRUE(
        part.gradients[2].equal(whole.gradients[2].narrow(1, group, 1)));
  }
}

}  // namespace
}  // namespace autotp::testing
