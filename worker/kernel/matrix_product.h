// matrix_product.h -- a product of matrices on plain memory, given to loops
// that know no BLAS.
#ifndef AUTOTP_WORKER_KERNEL_MATRIX_PRODUCT_H_
#define AUTOTP_WORKER_KERNEL_MATRIX_PRODUCT_H_

#include <cstdint>

namespace autotp::kernel {

// c[m,n] = alpha * a[m,k] b[k,n] + beta * c, row-major; a is stored [k,m] if
// transpose_a, b [n,k] if transpose_b; ld* are distances between stored rows.
using MatrixProduct = void (*)(bool transpose_a, bool transpose_b, int64_t m,
                               int64_t n, int64_t k, float alpha,
                               const float* a, int64_t lda, const float* b,
                               int64_t ldb, float beta, float* c, int64_t ldc);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_MATRIX_PRODUCT_H_
