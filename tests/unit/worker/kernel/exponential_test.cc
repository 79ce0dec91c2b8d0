// The other kernels are compared with ATen in tests/unit/worker/runtime.
#include "worker/kernel/cpu/exponential.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace autotp::kernel {
namespace {

TEST(Exponential, IsCloseOverItsWholeRange) {
  for (float x = -86.9f; x < 87.9f; x += 0.00931f) {
    const double want = std::exp(static_cast<double>(x));
    EXPECT_NEAR(Exponential(x) / want, 1.0, 2e-7) << "x " << x;
  }
  EXPECT_EQ(Exponential(0.0f), 1.0f);
}

TEST(Exponential, EndsAreFiniteAndNanStays) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_LT(Exponential(-infinity), 1e-37f);
  EXPECT_TRUE(std::isfinite(Exponential(infinity)));
  EXPECT_TRUE(std::isnan(Exponential(std::nanf(""))));
}

TEST(Sigmoid, IsSymmetric) {
  for (const float x : {0.0f, 0.5f, 3.0f, 20.0f, 100.0f})
    EXPECT_NEAR(Sigmoid(x) + Sigmoid(-x), 1.0f, 1e-6) << "x " << x;
}

}  // namespace
}  // namespace autotp::kernel
