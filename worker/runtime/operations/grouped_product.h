// grouped_product.h -- rows, sorted by expert, times each expert's matrix.
#ifndef AUTOTP_WORKER_RUNTIME_OPERATIONS_GROUPED_PRODUCT_H_
#define AUTOTP_WORKER_RUNTIME_OPERATIONS_GROUPED_PRODUCT_H_

#include <ATen/core/Tensor.h>

namespace autotp::runtime {

// Does aten::_grouped_mm refuse these for where they lie in memory? It needs
// rows that start at multiples of 16 bytes; cut ones may be of any width.
bool NeedsOwnGroupedProduct(const at::Tensor& rows, const at::Tensor& matrices);

// What it computes, and differentiable as it is: rows [S, K], matrices
// [E, K, N], `ends` [E] where each expert's rows end -> [S, N]; rows behind the
// last end are zero. Throws c10::Error where they don't fit.
at::Tensor GroupedProduct(const at::Tensor& rows, const at::Tensor& matrices,
                          const at::Tensor& ends);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_OPERATIONS_GROUPED_PRODUCT_H_
