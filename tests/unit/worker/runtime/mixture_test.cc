// Goal: router, experts and router_loss compute what Transformers' modules
// compute with ATen, forward and backward.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "tests/unit/worker/runtime/operation_harness.h"

namespace autotp::testing {
namespace {

using Tensors = std::vector<at::Tensor>;

struct RouterCase {
  std::string name;
  std::string scores;
  bool normalize = false;
  double scale = 1;
  int64_t groups = 1;
  int64_t top_groups = 1;
  bool bias = false;
};

class RouterTest : public ::testing::TestWithParam<RouterCase> {};

// As DeepseekV3TopkRouter and MixtralTopKRouter, without their linear.
at::Tensor ChosenWeights(const RouterCase& c, int64_t top_k,
                         const Tensors& in) {
  const at::Tensor scores =
      c.scores == "softmax" ? in[0].softmax(-1) : in[0].sigmoid();
  at::Tensor ranked = scores.detach();
  if (c.bias) ranked = ranked + in[1].detach();
  if (c.groups > 1) {
    const auto leading = in[0].sizes().vec();
    const at::Tensor grouped =
        ranked.reshape({-1, c.groups, in[0].size(-1) / c.groups});
    const at::Tensor best = std::get<0>(grouped.topk(2)).sum(-1);
    const at::Tensor open =
        at::zeros_like(best)
            .scatter(1, std::get<1>(best.topk(c.top_groups)), 1)
            .unsqueeze(-1);
    ranked = grouped.masked_fill(open == 0, -INFINITY).reshape(leading);
  }
  at::Tensor weights = scores.gather(-1, std::get<1>(ranked.topk(top_k)));
  if (c.normalize) weights = weights / weights.sum(-1, true);
  return weights * c.scale;
}

TEST_P(RouterTest, WeighsTheBestExperts) {
  at::manual_seed(kSeed);
  const RouterCase& c = GetParam();
  OneNode node("router");
  node.Set("top_k", int64_t{3}).Set("scores", c.scores);
  node.Set("normalize", c.normalize).Set("scale", c.scale);
  node.Set("groups", c.groups).Set("top_groups", c.top_groups);
  Tensors inputs = {at::randn({2, 9, 8})};
  if (c.bias) inputs.push_back(at::randn({8}));
  ExpectLikeReference(node, inputs, [&c](const Tensors& in) {
    return ChosenWeights(c, 3, in);
  });
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, RouterTest,
    ::testing::Values(
        RouterCase{"mixtral", "softmax", true},
        RouterCase{"qwen2_moe", "softmax", false},
        RouterCase{"scaled", "softmax", true, 2.5},
        RouterCase{"deepseek_v3", "sigmoid", true, 1.5, 4, 2, true},
        RouterCase{"plain_sigmoid", "sigmoid", false, 1.0},
        RouterCase{"softmax_groups", "softmax", false, 16.0, 2, 1}),
    [](const auto& tested) { return tested.param.name; });

// The plain loop: every expert over all tokens, weighted by who chose it.
at::Tensor EveryExpert(const std::string& kind, int64_t count,
                       const Tensors& in) {
  at::Tensor sum = at::zeros_like(in[0]);
  for (int64_t e = 0; e < count; ++e) {
    const at::Tensor gate = at::linear(in[0], in[3 + e]);
    const at::Tensor up = at::linear(in[0], in[3 + count + e]);
    const at::Tensor activated =
        kind == "silu" ? at::silu(gate) : at::gelu(gate, "tanh");
    const at::Tensor result = at::linear(activated * up, in[3 + 2 * count + e]);
    const at::Tensor weight = (in[1] * (in[2] == e)).sum(-1, true);
    sum = sum + weight * result;
  }
  return sum;
}

// `used` of the experts are chosen, each token choosing two different ones.
Tensors ExpertInputs(int64_t count, int64_t used, int64_t inner) {
  const int64_t width = 6;
  const at::Tensor chosen =
      std::get<1>(at::rand({3, 7, used}).topk(2)).contiguous();
  Tensors inputs = {at::randn({3, 7, width}), at::rand({3, 7, 2}), chosen};
  for (int64_t i = 0; i < 2 * count; ++i)
    inputs.push_back(at::randn({inner, width}));
  for (int64_t i = 0; i < count; ++i)
    inputs.push_back(at::randn({width, inner}));
  return inputs;
}

TEST(ExpertsTest, SumsTheChosenOnes) {
  at::manual_seed(kSeed);
  for (const std::string kind : {"silu", "gelu_tanh"}) {
    for (const int64_t used : {2, 5}) {  // the others get no token
      const int64_t count = 5;
      ExpectLikeReference(
          OneNode("experts").Set("kind", kind).Set("count", count),
          ExpertInputs(count, used, 4),
          [&](const Tensors& in) { return EveryExpert(kind, count, in); },
          1e-4);
    }
  }
}

TEST(ExpertsTest, ManyAreSharedAmongThreads) {
  at::manual_seed(kSeed);
  const int64_t count = 24;
  ExpectLikeReference(
      OneNode("experts").Set("kind", std::string("silu")).Set("count", count),
      ExpertInputs(count, count, 4),
      [&](const Tensors& in) { return EveryExpert("silu", count, in); }, 1e-4);
}

TEST(ExpertsTest, ARankWithoutColumnsAddsNothing) {
  at::manual_seed(kSeed);
  const Outcome got =
      RunOperation(OneNode("experts")
                       .Set("kind", std::string("silu"))
                       .Set("count", int64_t{3}),
                   ExpertInputs(3, 3, 0), at::randn({3, 7, 6}), {3, 7, 6});
  ASSERT_TRUE(got.status.ok()) << got.status;
  EXPECT_EQ(got.output.abs().max().item<float>(), 0.0f);
  EXPECT_EQ(got.gradients[0].abs().max().item<float>(), 0.0f);
  EXPECT_EQ(got.gradients[1].abs().max().item<float>(), 0.0f);
}

// As load_balancing_loss_func.
TEST(RouterLossTest, IsChoicesTimesScoresOverAllRouters) {
  at::manual_seed(kSeed);
  const int64_t experts = 6;
  const int64_t top_k = 2;
  ExpectLikeReference(
      OneNode("router_loss").Set("top_k", top_k),
      {at::randn({2, 5, experts}), at::randn({2, 5, experts})},
      [&](const Tensors& in) {
        const at::Tensor scores = at::cat({in[0].reshape({-1, experts}),
                                           in[1].reshape({-1, experts})})
                                      .softmax(-1);
        const at::Tensor chosen = std::get<1>(scores.topk(top_k));
        const at::Tensor share =
            at::one_hot(chosen, experts).to(at::kFloat).sum(1).mean(0);
        return (share.detach() * scores.mean(0)).sum() *
               static_cast<double>(experts);
      });
}

TEST(ExpandTest, RepeatsOnePosition) {
  at::manual_seed(kSeed);
  OneNode node("expand");
  node.Set("dim", int64_t{1}).Set("size", int64_t{4});
  ExpectLikeReference(node, {at::randn({3, 1, 5})}, [](const Tensors& in) {
    return in[0].expand({3, 4, 5});
  });
}

}  // namespace
}  // namespace autotp::testing
