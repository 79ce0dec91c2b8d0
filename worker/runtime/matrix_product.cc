#include "worker/runtime/matrix_product.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>

// The Fortran interface of BLAS, which libtorch_cpu exports.
extern "C" void sgemm_(const char* transa, const char* transb, const int* m,
                       const int* n, const int* k, const float* alpha,
                       const float* a, const int* lda, const float* b,
                       const int* ldb, const float* beta, float* c,
                       const int* ldc);

namespace autotp::runtime {

void MultiplyMatrices(bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                      int64_t k, float alpha, const float* a, int64_t lda,
                      const float* b, int64_t ldb, float beta, float* c,
                      int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {  // BLAS wants rows that hold something
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j)
        c[i * ldc + j] = beta == 0.0f ? 0.0f : beta * c[i * ldc + j];
    }
    return;
  }
  TORCH_CHECK(
      std::max({m, n, k, lda, ldb, ldc}) <= std::numeric_limits<int>::max(),
      "a matrix has more rows or columns than BLAS counts");
  // BLAS counts by columns: the transposed product of the swapped factors.
  const char first = transpose_b ? 'T' : 'N';
  const char second = transpose_a ? 'T' : 'N';
  const int sizes[] = {static_cast<int>(n), static_cast<int>(m),
                       static_cast<int>(k)};
  const int distances[] = {static_cast<int>(ldb), static_cast<int>(lda),
                           static_cast<int>(ldc)};
  sgemm_(&first, &second, &sizes[0], &sizes[1], &sizes[2], &alpha, b,
         &distances[0], a, &distances[1], &beta, c, &distances[2]);
}

}  // namespace autotp::runtime
