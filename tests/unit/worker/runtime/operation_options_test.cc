// Goal: what families need beside the plain operations (transposed weights,
// offsets of norms, partial and interleaved rotation, soft caps, ALiBi) is
// what ATen computes, forward and backward.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/worker/runtime/operation_harness.h"

namespace autotp::testing {
namespace {

using Tensors = std::vector<at::Tensor>;

class OperationOptionsTest : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(kSeed); }
};

TEST_F(OperationOptionsTest, LinearWithATransposedWeight) {
  const Reference reference = [](const Tensors& in) {
    return at::linear(in[0], in[1].t(), in.size() > 2 ? in[2] : at::Tensor());
  };
  const OneNode node = OneNode("linear").Set("transposed", true);
  ExpectLikeReference(node, {at::randn({2, 5, 7}), at::randn({7, 3})},
                      reference);
  ExpectLikeReference(node,
                      {at::randn({2, 5, 7}), at::randn({7, 3}), at::randn({3})},
                      reference);
}

TEST_F(OperationOptionsTest, RmsNormTimesOnePlusWeight) {
  ExpectLikeReference(
      OneNode("rms_norm").Set("eps", 1e-2).Set("offset", 1.0),
      {at::randn({3, 7, 33}), at::randn({33})}, [](const Tensors& in) {
        return in[0] * at::rsqrt(in[0].square().mean(-1, true) + 1e-2) *
               (in[1] + 1);
      });
}

// With all columns here the local form is the plain one.
TEST_F(OperationOptionsTest, RmsNormOfCutColumnsInAWorldOfOne) {
  ExpectLikeReference(
      OneNode("rms_norm")
          .Set("eps", 1e-2)
          .Set("offset", 1.0)
          .Set("size", int64_t{33}),
      {at::randn({3, 7, 33}), at::randn({33})}, [](const Tensors& in) {
        return in[0] * at::rsqrt(in[0].square().mean(-1, true) + 1e-2) *
               (in[1] + 1);
      });
}

TEST_F(OperationOptionsTest, LayerNormWithoutParameters) {
  ExpectLikeReference(OneNode("layer_norm").Set("eps", 1e-3),
                      {at::randn({3, 33})}, [](const Tensors& in) {
                        return at::layer_norm(in[0], {33}, {}, {}, 1e-3);
                      });
}

TEST_F(OperationOptionsTest, LimitedActivations) {
  const at::Tensor x = at::randn({3, 17}) * 4;
  ExpectLikeReference(
      OneNode("activation")
          .Set("kind", std::string("soft_cap"))
          .Set("limit", 1.5),
      {x}, [](const Tensors& in) { return (in[0] / 1.5).tanh() * 1.5; });
  ExpectLikeReference(
      OneNode("activation").Set("kind", std::string("clamp")).Set("limit", 1.5),
      {x}, [](const Tensors& in) { return in[0].clamp(-1.5, 1.5); });
}

TEST_F(OperationOptionsTest, Stack) {
  ExpectLikeReference(OneNode("stack"), {at::randn({2, 3}), at::randn({2, 3})},
                      [](const Tensors& in) {
                        return at::stack({in[0], in[1]});
                      });
}

TEST_F(OperationOptionsTest, ScaleRoundsToTheStoredType) {
  const OneNode node =
      OneNode("scale").Set("factor", 55.42562584).Set("rounded", true);
  const at::Tensor x = at::randn({2, 3});
  const Outcome wide = RunOperation(node, {x}, at::ones({2, 3}), {2, 3});
  ASSERT_TRUE(wide.status.ok()) << wide.status;
  EXPECT_LE((wide.output - x * 55.42562584).abs().max().item<double>(), 1e-4);
  const Outcome narrow =
      RunOperation(node, {x.to(at::kBFloat16)}, at::ones({2, 3}), {2, 3});
  ASSERT_TRUE(narrow.status.ok()) << narrow.status;
  EXPECT_LE((narrow.output - x.to(at::kBFloat16).to(at::kFloat) * 55.5)
                .abs()
                .max()
                .item<double>(),
            1e-4);
}

// The first six of eight channels are turned.
at::Tensor Turned(const at::Tensor& x, const at::Tensor& cos,
                  const at::Tensor& sin, bool interleaved) {
  const int64_t half = cos.size(1) / 2;
  const at::Tensor part = x.narrow(3, 0, 2 * half);
  const at::Tensor rest = x.narrow(3, 2 * half, x.size(3) - 2 * half);
  const auto table = [&](const at::Tensor& t, bool second) {
    return t.narrow(1, second ? half : 0, half);
  };
  const at::Tensor pairs = interleaved
                               ? part.unflatten(3, {half, 2})
                               : part.unflatten(3, {2, half}).transpose(3, 4);
  const at::Tensor low = pairs.select(4, 0);
  const at::Tensor high = pairs.select(4, 1);
  const at::Tensor turned =
      at::stack({low * table(cos, false) - high * table(sin, false),
                 high * table(cos, true) + low * table(sin, true)},
                4);
  const at::Tensor flat =
      (interleaved ? turned : turned.transpose(3, 4)).flatten(3);
  return at::cat({flat, rest}, 3);
}

TEST_F(OperationOptionsTest, RotaryOfSomeChannels) {
  const at::Tensor cos = at::randn({5, 6});
  const at::Tensor sin = at::randn({5, 6});
  for (bool interleaved : {false, true}) {
    SCOPED_TRACE(interleaved);
    const at::Tensor x = at::randn({2, 3, 5, 8}).requires_grad_();
    const at::Tensor want = Turned(x, cos, sin, interleaved);
    const at::Tensor gradient = at::randn({2, 3, 5, 8});
    want.backward(gradient);
    const Outcome got =
        RunOperation(OneNode("rotary").Set("interleaved", interleaved),
                     {x.detach(), cos, sin}, gradient, {2, 3, 5, 8});
    ASSERT_TRUE(got.status.ok()) << got.status;
    EXPECT_LE((got.output - want).abs().max().item<double>(), 1e-5);
    EXPECT_LE((got.gradients[0] - x.grad()).abs().max().item<double>(), 1e-5);
  }
}

TEST_F(OperationOptionsTest, AlibiTableIsSlopeTimesPosition) {
  const at::Tensor slopes = at::tensor({0.7, 0.013}, at::kFloat);
  const at::Tensor positions = at::arange(300, at::kFloat);
  OneNode node("alibi_table");
  node.Set("slopes", std::vector<double>{0.7, 0.013})
      .Set("length", int64_t{300})
      .Set("scale", 0.5);
  const Outcome plain = RunOperation(node, {}, at::ones({2, 300}), {2, 300});
  ASSERT_TRUE(plain.status.ok()) << plain.status;
  EXPECT_TRUE(at::equal(plain.output, slopes.unsqueeze(1) * positions * 0.5));
  node.Set("rounded", true);
  const Outcome rounded = RunOperation(node, {}, at::ones({2, 300}), {2, 300});
  ASSERT_TRUE(rounded.status.ok()) << rounded.status;
  const at::Tensor want =
      slopes.unsqueeze(1).to(at::kBFloat16) * positions.to(at::kBFloat16);
  EXPECT_TRUE(at::equal(rounded.output, want.to(at::kFloat) * 0.5));
}

struct ScoresCase {
  int64_t heads, groups, tokens, window;
  double soft_cap;
  bool bias;
  bool packed = false;
};

// Documents of 13 tokens in the first sequence, of 29 in the second.
at::Tensor PackedPositions(int64_t tokens) {
  const at::Tensor t = at::arange(tokens, at::kLong);
  return at::stack({t.remainder(13), t.remainder(29)});
}

class ScoresTest : public ::testing::TestWithParam<ScoresCase> {};

TEST_P(ScoresTest, AreCappedThenBiased) {
  at::manual_seed(kSeed);
  const ScoresCase c = GetParam();
  constexpr int64_t kWidth = 8;
  OneNode node("attention");
  node.Set("scale", 0.9).Set("window", c.window).Set("soft_cap", c.soft_cap);
  Tensors inputs = {at::randn({2, c.heads, c.tokens, kWidth}) * 2,
                    at::randn({2, c.groups, c.tokens, kWidth}),
                    at::randn({2, c.groups, c.tokens, kWidth})};
  Tensors leaves;
  for (const at::Tensor& input : inputs)
    leaves.push_back(input.clone().requires_grad_());
  const int64_t repeats = c.heads / c.groups;
  at::Tensor scores =
      at::matmul(leaves[0],
                 leaves[1].repeat_interleave(repeats, 1).transpose(-1, -2)) *
      0.9;
  if (c.soft_cap > 0) scores = (scores / c.soft_cap).tanh() * c.soft_cap;
  if (c.bias) {
    inputs.push_back(at::randn({c.heads, c.tokens}) * 3);
    scores = scores + inputs[3].unsqueeze(1);
  }
  at::Tensor allowed = at::ones({c.tokens, c.tokens}, at::kBool).tril();
  if (c.window > 0) allowed = allowed.triu(1 - c.window);
  if (c.packed) {
    inputs.push_back(PackedPositions(c.tokens));
    const at::Tensor t = at::arange(c.tokens, at::kLong);
    const at::Tensor first = (t - inputs[4]).unsqueeze(-1);
    allowed = allowed.logical_and(t.ge(first)).unsqueeze(1);
  }
  const at::Tensor want = at::matmul(
      scores.masked_fill(allowed.logical_not(), -INFINITY).softmax(-1),
      leaves[2].repeat_interleave(repeats, 1));
  const at::Tensor gradient = at::randn_like(want);
  want.backward(gradient);
  const Outcome got = RunOperation(node, inputs, gradient, want.sizes().vec());
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_LE((got.output - want).abs().max().item<double>(), 2e-5);
  for (int i = 0; i < 3; ++i) {
    EXPECT_LE((got.gradients[i] - leaves[i].grad()).abs().max().item<double>(),
              5e-5)
        << "input " << i << ", seed " << kSeed;
  }
}

INSTANTIATE_TEST_SUITE_P(
    CapsAndBiases, ScoresTest,
    ::testing::Values(ScoresCase{4, 2, 70, 0, 1.5, false},
                      ScoresCase{4, 4, 9, 4, 0.3, false},
                      ScoresCase{4, 4, 70, 0, 0, true},
                      ScoresCase{6, 2, 130, 20, 0, true},
                      ScoresCase{4, 1, 9, 0, 2, true},
                      ScoresCase{4, 2, 150, 0, 0, true, true},
                      ScoresCase{4, 2, 150, 20, 1.5, true, true}));

TEST(PositionsTest, MustBeOfADocument) {
  OneNode node("attention");
  node.Set("scale", 1.0);
  const at::Tensor x = at::ones({1, 1, 3, 2});
  for (const std::vector<int64_t>& bad :
       {std::vector<int64_t>{1, 0, 0}, {0, -1, 0}, {0, 0, 2}}) {
    const Outcome got = RunOperation(
        node, {x, x, x, at::zeros({1, 3}), at::tensor(bad).unsqueeze(0)}, x,
        {1, 1, 3, 2});
    EXPECT_EQ(got.status.code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace autotp::testing
