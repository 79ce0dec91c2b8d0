#include "worker/runtime/operations/grouped_product.h"

#include <ATen/ATen.h>

#include <vector>

namespace autotp::runtime {
namespace {

constexpr int64_t kAlignment = 16;  // bytes

bool IsAligned(const at::Tensor& tensor) {
  const auto bytes = static_cast<int64_t>(tensor.element_size());
  const auto begin = tensor.is_meta()
                         ? 0
                         : reinterpret_cast<uintptr_t>(tensor.const_data_ptr());
  if (begin % kAlignment != 0) return false;
  for (const int64_t stride : tensor.strides())
    if (stride != 1 && stride * bytes % kAlignment != 0) return false;
  return true;
}

}  // namespace

bool NeedsOwnGroupedProduct(const at::Tensor& rows,
                            const at::Tensor& matrices) {
  if (!rows.defined() || !matrices.defined() || rows.dim() != 2 ||
      matrices.dim() != 3)
    return false;
  // Its backward makes results of either width.
  const int64_t widths = kAlignment / static_cast<int64_t>(rows.element_size());
  return matrices.size(1) % widths != 0 || matrices.size(2) % widths != 0 ||
         !IsAligned(rows) || !IsAligned(matrices);
}

at::Tensor GroupedProduct(const at::Tensor& rows, const at::Tensor& matrices,
                          const at::Tensor& ends) {
  TORCH_CHECK(rows.dim() == 2 && matrices.dim() == 3 && ends.dim() == 1 &&
                  ends.size(0) == matrices.size(0) &&
                  rows.size(1) == matrices.size(1),
              "rows ", rows.sizes(), " don't fit matrices ", matrices.sizes(),
              " of ", ends.sizes(), " groups");
  if (rows.is_meta())
    return at::empty({rows.size(0), matrices.size(2)}, rows.options());
  const at::Tensor where = ends.to(at::kCPU, at::kLong).contiguous();
  const std::vector<at::Tensor> each = at::unbind(matrices);
  std::vector<at::Tensor> parts;
  int64_t begin = 0;
  for (size_t e = 0; e < each.size(); ++e) {
    const int64_t end = where.const_data_ptr<int64_t>()[e];
    TORCH_CHECK(begin <= end && end <= rows.size(0), "group ", e, " of ",
                rows.size(0), " rows ends at ", end);
    parts.push_back(at::mm(rows.narrow(0, begin, end - begin), each[e]));
    begin = end;
  }
  parts.push_back(
      at::zeros({rows.size(0) - begin, matrices.size(2)}, rows.options()));
  return at::cat(parts);
}

}  // namespace autotp::runtime
