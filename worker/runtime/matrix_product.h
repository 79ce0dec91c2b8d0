// matrix_product.h -- LibTorch's own BLAS on plain memory, for kernels that
// split their work over threads themselves: it runs on the calling thread
// inside a parallel region.
#ifndef AUTOTP_WORKER_RUNTIME_MATRIX_PRODUCT_H_
#define AUTOTP_WORKER_RUNTIME_MATRIX_PRODUCT_H_

#include <cstdint>

namespace autotp::runtime {

// kernel::MatrixProduct. REQUIRES: sizes and distances fit 31 bits.
void MultiplyMatrices(bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                      int64_t k, float alpha, const float* a, int64_t lda,
                      const float* b, int64_t ldb, float beta, float* c,
                      int64_t ldc);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_MATRIX_PRODUCT_H_
