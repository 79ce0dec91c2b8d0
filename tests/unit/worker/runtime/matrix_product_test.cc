// Goal: products of matrices that hold nothing are what sums of nothing are,
// and sizes that BLAS can't count are an error.
#include "worker/runtime/matrix_product.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>
#include <vector>

namespace autotp::runtime {
namespace {

using ::testing::ElementsAre;

TEST(MatrixProduct, OfNothingIsNothingOrWhatWasThere) {
  std::vector<float> c = {1, 2, 3, 4, 5, 6};
  const float* none = nullptr;
  MultiplyMatrices(false, false, 0, 2, 3, 1, none, 3, none, 2, 0, c.data(), 2);
  MultiplyMatrices(false, true, 2, 0, 3, 1, none, 3, none, 3, 0, c.data(), 3);
  EXPECT_THAT(c, ElementsAre(1, 2, 3, 4, 5, 6));
  // Two columns of three are written.
  MultiplyMatrices(false, false, 2, 2, 0, 1, none, 0, none, 2, 2, c.data(), 3);
  EXPECT_THAT(c, ElementsAre(2, 4, 3, 8, 10, 6));
  MultiplyMatrices(false, false, 2, 2, 0, 1, none, 0, none, 2, 0, c.data(), 3);
  EXPECT_THAT(c, ElementsAre(0, 0, 3, 0, 0, 6));
}

TEST(MatrixProduct, RefusesWhatBlasCannotCount) {
  EXPECT_THROW(MultiplyMatrices(false, false, int64_t{1} << 31, 1, 1, 1,
                                nullptr, 1, nullptr, 1, 0, nullptr, 1),
               std::exception);
}

}  // namespace
}  // namespace autotp::runtime
