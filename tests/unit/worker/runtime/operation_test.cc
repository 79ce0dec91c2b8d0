// Goal: each operation computes what its ATen reference computes, forward and
// backward.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/worker/runtime/operation_harness.h"

namespace autotp::testing {
namespace {

using Tensors = std::vector<at::Tensor>;

class OperationTest : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(kSeed); }
};

TEST_F(OperationTest, Linear) {
  const Reference reference = [](const Tensors& in) {
    return at::linear(in[0], in[1], in.size() > 2 ? in[2] : at::Tensor());
  };
  ExpectLikeReference(OneNode("linear"),
                      {at::randn({2, 5, 7}), at::randn({3, 7})}, reference);
  ExpectLikeReference(OneNode("linear"),
                      {at::randn({2, 5, 7}), at::randn({3, 7}), at::randn({3})},
                      reference);
}

TEST_F(OperationTest, EmbeddingLeavesOutThePaddingRow) {
  const at::Tensor ids = at::randint(0, 9, {2, 6}, at::kLong);
  ids[0][1].fill_(4);
  ExpectLikeReference(OneNode("embedding").Set("padding_idx", int64_t{4}),
                      {at::randn({9, 5}), ids}, [](const Tensors& in) {
                        return at::embedding(in[0], in[1], 4);
                      });
}

TEST_F(OperationTest, EmbeddingOfSomeRows) {
  const at::Tensor ids = at::randint(0, 9, {2, 6}, at::kLong);
  ids[0][0].fill_(3);
  ids[0][1].fill_(7);
  ExpectLikeReference(OneNode("embedding")
                          .Set("row_begin", int64_t{3})
                          .Set("row_end", int64_t{7}),
                      {at::randn({4, 5}), ids}, [](const Tensors& in) {
                        const at::Tensor whole = at::cat(
                            {at::zeros({3, 5}), in[0], at::zeros({2, 5})});
                        return at::embedding(whole, in[1]);
                      });
}

TEST_F(OperationTest, RmsNorm) {
  ExpectLikeReference(
      OneNode("rms_norm").Set("eps", 1e-2),
      {at::randn({3, 7, 33}), at::randn({33})}, [](const Tensors& in) {
        return in[0] * at::rsqrt(in[0].square().mean(-1, true) + 1e-2) * in[1];
      });
}

TEST_F(OperationTest, LayerNorm) {
  const Reference reference = [](const Tensors& in) {
    return at::layer_norm(in[0], {in[0].size(-1)}, in[1],
                          in.size() > 2 ? in[2] : at::Tensor(), 1e-3);
  };
  ExpectLikeReference(OneNode("layer_norm").Set("eps", 1e-3),
                      {at::randn({3, 7, 33}), at::randn({33}), at::randn({33})},
                      reference);
  ExpectLikeReference(OneNode("layer_norm").Set("eps", 1e-3),
                      {at::randn({3, 33}), at::randn({33})}, reference);
}

TEST_F(OperationTest, Rotary) {
  // The tables' halves differ: nothing may rely on their being equal.
  const at::Tensor cos = at::randn({5, 8});
  const at::Tensor sin = at::randn({5, 8});
  const at::Tensor x = at::randn({2, 3, 5, 8}).requires_grad_();
  const at::Tensor half = at::cat({-x.narrow(3, 4, 4), x.narrow(3, 0, 4)}, 3);
  const at::Tensor want = x * cos + half * sin;
  const at::Tensor gradient = at::randn({2, 3, 5, 8});
  want.backward(gradient);
  const Outcome got = RunOperation(OneNode("rotary"), {x.detach(), cos, sin},
                                   gradient, {2, 3, 5, 8});
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_LE((got.output - want).abs().max().item<double>(), 1e-5);
  EXPECT_LE((got.gradients[0] - x.grad()).abs().max().item<double>(), 1e-5);
}

struct AttentionCase {
  int64_t heads, groups, tokens, window;
  int64_t value_width = 8;
  bool causal = true;
  int64_t keys = tokens;
  bool some_hidden = false;
};

// [B, S]: half of the keys; of the last sequence none.
at::Tensor SomeKeys(int64_t keys) {
  at::Tensor seen = at::rand({2, keys}) < 0.5;
  seen[0][0].fill_(true);
  seen[1].fill_(false);
  return seen;
}

class AttentionTest : public ::testing::TestWithParam<AttentionCase> {};

TEST_P(AttentionTest, IsSoftmaxOfScoresTimesValues) {
  at::manual_seed(kSeed);
  const AttentionCase c = GetParam();
  const int64_t width = 8;
  OneNode node("attention");
  node.Set("scale", 0.3);
  if (c.window > 0) node.Set("window", c.window);
  if (!c.causal) node.Set("causal", false);
  Tensors inputs = {at::randn({2, c.heads, c.tokens, width}),
                    at::randn({2, c.groups, c.keys, width}),
                    at::randn({2, c.groups, c.keys, c.value_width})};
  if (c.some_hidden)
    inputs.insert(inputs.end(), {at::Tensor(), at::Tensor(), SomeKeys(c.keys)});
  ExpectLikeReference(node, inputs, [&c](const Tensors& in) {
    const int64_t repeats = c.heads / c.groups;
    const at::Tensor k = in[1].repeat_interleave(repeats, 1);
    const at::Tensor v = in[2].repeat_interleave(repeats, 1);
    at::Tensor allowed = at::ones({c.tokens, c.keys}, at::kBool);
    if (c.causal) allowed = allowed.tril();
    if (c.window > 0) allowed = allowed.triu(1 - c.window);
    if (c.window > 0 && !c.causal) allowed = allowed.tril(c.window - 1);
    if (c.some_hidden)
      allowed = at::logical_and(allowed, in[5].view({2, 1, 1, c.keys}));
    const at::Tensor scores = at::matmul(in[0], k.transpose(-1, -2)) * 0.3;
    const at::Tensor weights =
        scores.masked_fill(allowed.logical_not(), -1e30).softmax(-1);
    return at::matmul(weights * allowed, v);
  });
}

INSTANTIATE_TEST_SUITE_P(HeadsAndWindows, AttentionTest,
                         ::testing::Values(AttentionCase{4, 4, 9, 0},
                                           AttentionCase{4, 2, 70, 0},
                                           AttentionCase{3, 1, 9, 4},
                                           AttentionCase{2, 2, 130, 0},
                                           AttentionCase{2, 1, 5, 100},
                                           AttentionCase{4, 2, 70, 0, 5},
                                           AttentionCase{2, 2, 9, 4, 11}));
INSTANTIATE_TEST_SUITE_P(
    AllKeys, AttentionTest,
    ::testing::Values(AttentionCase{4, 2, 70, 0, 8, false},
                      AttentionCase{4, 4, 9, 0, 8, false, 70},
                      AttentionCase{2, 1, 130, 0, 5, false, 3},
                      AttentionCase{2, 2, 130, 9, 8, false},
                      AttentionCase{4, 2, 70, 0, 8, false, 70, true},
                      AttentionCase{4, 2, 9, 3, 8, true, 9, true}));

// As on a rank that got none of a few heads.
TEST_F(OperationTest, AttentionWithoutHeads) {
  const at::Tensor none = at::zeros({2, 0, 5, 8});
  const Outcome got = RunOperation(OneNode("attention").Set("scale", 0.3),
                                   {none, none, none}, none, {2, 0, 5, 8});
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.output.sizes().vec(), (std::vector<int64_t>{2, 0, 5, 8}));
  EXPECT_EQ(got.gradients[1].sizes().vec(), got.output.sizes().vec());
}

class ActivationTest : public ::testing::TestWithParam<std::string> {
 protected:
  static at::Tensor Apply(const std::string& kind, const at::Tensor& x) {
    if (kind == "silu") return at::silu(x);
    if (kind == "relu") return at::relu(x);
    if (kind == "sigmoid") return at::sigmoid(x);
    return at::gelu(x, kind == "gelu" ? "none" : "tanh");
  }
};

TEST_P(ActivationTest, Plain) {
  at::manual_seed(kSeed);
  ExpectLikeReference(
      OneNode("activation").Set("kind", GetParam()), {at::randn({3, 17})},
      [](const Tensors& in) { return Apply(GetParam(), in[0]); });
}

TEST_P(ActivationTest, Gated) {
  at::manual_seed(kSeed);
  ExpectLikeReference(
      OneNode("gated_activation").Set("kind", GetParam()),
      {at::randn({3, 17}) * 10, at::randn({3, 17})},
      [](const Tensors& in) { return Apply(GetParam(), in[0]) * in[1]; });
}

INSTANTIATE_TEST_SUITE_P(Kinds, ActivationTest,
                         ::testing::Values("silu", "gelu", "gelu_tanh", "relu",
                                           "sigmoid"));

TEST_F(OperationTest, ElementwiseWithBroadcasting) {
  for (const at::Tensor& b : {at::randn({2, 3, 4}), at::randn({4}),
                              at::randn({3, 1}), at::randn({2, 1, 1})}) {
    ExpectLikeReference(OneNode("add"), {at::randn({2, 3, 4}), b},
                        [](const Tensors& in) { return in[0] + in[1]; });
    ExpectLikeReference(OneNode("mul"), {at::randn({2, 3, 4}), b},
                        [](const Tensors& in) { return in[0] * in[1]; });
  }
  ExpectLikeReference(OneNode("scale").Set("factor", -1.5), {at::randn({2, 3})},
                      [](const Tensors& in) { return in[0] * -1.5; });
}

TEST_F(OperationTest, Shapes) {
  ExpectLikeReference(OneNode("reshape"), {at::randn({4, 6})},
                      [](const Tensors& in) {
                        return in[0].reshape({2, 3, 4});
                      });
  ExpectLikeReference(
      OneNode("transpose").Set("a", int64_t{0}).Set("b", int64_t{2}),
      {at::randn({2, 3, 4})},
      [](const Tensors& in) { return in[0].transpose(0, 2); });
  ExpectLikeReference(OneNode("slice")
                          .Set("dim", int64_t{1})
                          .Set("begin", int64_t{1})
                          .Set("end", int64_t{4}),
                      {at::randn({2, 5})},
                      [](const Tensors& in) { return in[0].narrow(1, 1, 3); });
  ExpectLikeReference(OneNode("concat").Set("dim", int64_t{1}),
                      {at::randn({2, 3}), at::randn({2, 1}), at::randn({2, 2})},
                      [](const Tensors& in) {
                        return at::cat({in[0], in[1], in[2]}, 1);
                      });
}

at::Tensor ShiftedLoss(const at::Tensor& logits, const at::Tensor& labels) {
  const int64_t T = logits.size(1);
  return at::cross_entropy_loss(
      logits.narrow(1, 0, T - 1).reshape({-1, logits.size(2)}),
      labels.narrow(1, 1, T - 1).reshape({-1}), {}, at::Reduction::Mean, -100);
}

TEST_F(OperationTest, CrossEntropyIgnoresMaskedLabels) {
  const at::Tensor labels = at::randint(0, 37, {3, 6}, at::kLong);
  labels[0][2].fill_(-100);
  labels[1].fill_(-100);
  ExpectLikeReference(
      OneNode("cross_entropy"), {at::randn({3, 6, 37}) * 20, labels},
      [](const Tensors& in) { return ShiftedLoss(in[0], in[1]); });
}

TEST_F(OperationTest, CrossEntropyPredictsTheLabelOfItsOwnPosition) {
  const at::Tensor labels = at::randint(0, 37, {3, 6}, at::kLong);
  labels[0][5].fill_(-100);
  OneNode node("cross_entropy");
  node.Set("shift", false);
  ExpectLikeReference(
      node, {at::randn({3, 6, 37}), labels}, [](const Tensors& in) {
        return at::cross_entropy_loss(in[0].reshape({-1, 37}),
                                      in[1].reshape({-1}), {},
                                      at::Reduction::Mean, -100);
      });
}

TEST_F(OperationTest, CrossEntropyOfNothingIsZero) {
  const at::Tensor labels = at::full({1, 4}, -100, at::kLong);
  const Outcome got =
      RunOperation(OneNode("cross_entropy"), {at::randn({1, 4, 5}), labels},
                   at::ones({}), {});
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.output.item<float>(), 0.0f);
  EXPECT_EQ(got.gradients[0].abs().max().item<float>(), 0.0f);
}

TEST_F(OperationTest, CollectivesOfOneRank) {
  for (const char* name : {"copy", "all_reduce"}) {
    ExpectLikeReference(OneNode(name), {at::randn({2, 3})},
                        [](const Tensors& in) { return in[0] * 1.0; });
  }
  ExpectLikeReference(
      OneNode("take")
          .Set("dim", int64_t{1})
          .Set("size", int64_t{6})
          .Set("intervals", std::vector<int64_t>{0, 2, 3, 6}),
      {at::randn({2, 6})}, [](const Tensors& in) {
        return at::cat({in[0].narrow(1, 0, 2), in[0].narrow(1, 3, 3)}, 1);
      });
}

TEST_F(OperationTest, ErrorsNameWhatIsWrong) {
  const auto status = [](const OneNode& node) {
    return RunOperation(node, {at::ones({2, 3})}, at::ones({2, 3}), {2, 3})
        .status;
  };
  EXPECT_THAT(std::string(status(OneNode("convolution")).message()),
              ::testing::HasSubstr("unknown operation 'convolution'"));
  EXPECT_THAT(std::string(status(OneNode("scale")).message()),
              ::testing::HasSubstr("'factor'"));
  EXPECT_THAT(
      std::string(status(OneNode("activation").Set("kind", std::string("sine")))
                      .message()),
      ::testing::HasSubstr("'sine'"));
  EXPECT_THAT(
      std::string(status(OneNode("take")
                             .Set("dim", int64_t{1})
                             .Set("size", int64_t{3})
                             .Set("intervals", std::vector<int64_t>{1, 9}))
                      .message()),
      ::testing::HasSubstr("[1, 9)"));
}

}  // namespace
}  // namespace autotp::testing
