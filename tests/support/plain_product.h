// plain_product.h -- kernel::MatrixProduct without a BLAS: three loops, sums in
// double precision.
#ifndef AUTOTP_TESTS_SUPPORT_PLAIN_PRODUCT_H_
#define AUTOTP_TESTS_SUPPORT_PLAIN_PRODUCT_H_

#include <cstdint>

namespace autotp::testing {

inline void MultiplyPlainly(bool transpose_a, bool transpose_b, int64_t m,
                            int64_t n, int64_t k, float alpha, const float* a,
                            int64_t lda, const float* b, int64_t ldb,
                            float beta, float* c, int64_t ldc) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l) {
        sum +=
            static_cast<double>(transpose_a ? a[l * lda + i] : a[i * lda + l]) *
            static_cast<double>(transpose_b ? b[j * ldb + l] : b[l * ldb + j]);
      }
      c[i * ldc + j] = static_cast<float>(alpha * sum) + beta * c[i * ldc + j];
    }
  }
}

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_PLAIN_PRODUCT_H_
