#include "worker/optimizer/adam.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace autotp::optimizer {
namespace {

constexpr int kSeed = 7;

v1::OptimizerConfig Config(bool decoupled) {
  v1::OptimizerConfig config;
  config.set_kind(v1::OptimizerConfig::KIND_ADAM);
  config.set_learning_rate(0.01);
  config.set_beta1(0.9);
  config.set_beta2(0.95);
  config.set_epsilon(1e-8);
  config.set_weight_decay(0.1);
  config.set_decoupled_decay(decoupled);
  config.set_bias_correction(true);
  return config;
}

// The textbook update in double.
struct Reference {
  double weight, m = 0, v = 0;
  void Step(const v1::OptimizerConfig& c, int k, double rate, double g) {
    if (c.decoupled_decay()) {
      weight *= 1 - rate * c.weight_decay();
    } else {
      g += c.weight_decay() * weight;
    }
    m = c.beta1() * m + (1 - c.beta1()) * g;
    v = c.beta2() * v + (1 - c.beta2()) * g * g;
    const double mh = m / (1 - std::pow(c.beta1(), k));
    const double vh = v / (1 - std::pow(c.beta2(), k));
    weight -= rate * mh / (std::sqrt(vh) + c.epsilon());
  }
};

class AdamTest : public testing::TestWithParam<bool> {};

TEST_P(AdamTest, FollowsTheTextbook) {
  const v1::OptimizerConfig config = Config(GetParam());
  std::mt19937 random(kSeed);
  std::normal_distribution<float> normal;
  constexpr int kCount = 131;
  std::vector<float> weights(kCount), m(kCount), v(kCount), g(kCount);
  std::vector<Reference> reference(kCount);
  for (int i = 0; i < kCount; ++i) {
    weights[i] = normal(random);
    reference[i].weight = weights[i];
  }
  for (int k = 1; k <= 20; ++k) {
    const double rate = 0.01 * k;
    const double factor = k % 2 ? 1.0 : 0.5;
    for (float& x : g) x = normal(random);
    UpdateAdam(MakeAdamStep(config, k, rate, factor), kCount, g.data(),
               weights.data(), m.data(), v.data());
    for (int i = 0; i < kCount; ++i) {
      reference[i].Step(config, k, rate, g[i] * factor);
      ASSERT_NEAR(weights[i], reference[i].weight, 2e-5)
          << "step " << k << ", element " << i << ", seed " << kSeed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DecoupledOrNot, AdamTest, testing::Bool());

TEST(Adam, SplittingTheRangeChangesNoBit) {
  const AdamStep step = MakeAdamStep(Config(true), 3, 0.01, 0.7);
  std::mt19937 random(kSeed);
  std::normal_distribution<float> normal;
  constexpr int kCount = 257;
  std::vector<float> g(kCount), w1(kCount), m1(kCount, 0.1f), v1(kCount, 0.2f);
  for (int i = 0; i < kCount; ++i) {
    g[i] = normal(random);
    w1[i] = normal(random);
  }
  std::vector<float> w2 = w1, m2 = m1, v2 = v1;
  UpdateAdam(step, kCount, g.data(), w1.data(), m1.data(), v1.data());
  for (int begin = 0; begin < kCount; begin += 37) {
    const int count = std::min(37, kCount - begin);
    UpdateAdam(step, count, g.data() + begin, w2.data() + begin,
               m2.data() + begin, v2.data() + begin);
  }
  EXPECT_EQ(w1, w2);
  EXPECT_EQ(m1, m2);
  EXPECT_EQ(v1, v2);
}

TEST(ClipFactor, OnlyShrinks) {
  EXPECT_EQ(ClipFactor(0.5, 1.0), 1.0);
  EXPECT_NEAR(ClipFactor(4.0, 1.0), 0.25, 1e-6);
  EXPECT_EQ(ClipFactor(4.0, 0.0), 1.0);
}

TEST(SumOfSquares, IsExactForSmallIntegers) {
  std::vector<float> values(1001, 3.0f);
  EXPECT_EQ(SumOfSquares(values.data(), 1001), 9009.0);
  EXPECT_EQ(SumOfSquares(values.data(), 0), 0.0);
}

}  // namespace
}  // namespace autotp::optimizer
