// exchange.h -- values that are cut over a tensor-parallel group: put together,
// and summed and cut.
#ifndef AUTOTP_WORKER_RUNTIME_OPERATIONS_EXCHANGE_H_
#define AUTOTP_WORKER_RUNTIME_OPERATIONS_EXCHANGE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/collective/communicator.h"
#include "worker/runtime/operation.h"

namespace autotp::runtime {

// REQUIRES: contiguous; fp32, bf16 or fp16.
collective::Buffer BufferOf(const at::Tensor& tensor);

// Positions of a dimension, one after the other.
struct Range {
  int64_t begin = 0;
  int64_t length = 0;
};
using Ranges = std::vector<Range>;

// A view where there is one range.
at::Tensor TakeRanges(const at::Tensor& whole, int64_t dim,
                      const Ranges& ranges);
// Writes `part` to its places in `whole`.
void PutRanges(const at::Tensor& part, int64_t dim, const Ranges& ranges,
               at::Tensor& whole);

// Begins and ends, each range within `size`. INVALID_ARGUMENT else.
absl::StatusOr<Ranges> ReadRanges(const std::vector<int64_t>& numbers,
                                  int64_t size);

// A dimension that is cut over the ranks of a group.
class CutDim {
 public:
  // By the attributes dim, size and intervals (all ranks'); `part` is this
  // rank's shape, cut. INVALID_ARGUMENT where they do not fit or are for
  // another group.
  static absl::StatusOr<CutDim> Of(const NodeInfo& info,
                                   const std::vector<int64_t>& part);

  // All ranks' parts as one. Without a group: `part`.
  absl::StatusOr<at::Tensor> Gather(const at::Tensor& part) const;
  // This rank's part of the sum of all ranks' `whole`. Without a group: it.
  absl::StatusOr<at::Tensor> SumAndCut(const at::Tensor& whole) const;
  // This rank's part of `whole`.
  at::Tensor Own(const at::Tensor& whole) const;

  int64_t rank() const { return group_ == nullptr ? 0 : group_->rank(); }

 private:
  CutDim(int64_t dim, int64_t size, std::vector<Ranges> ranks,
         collective::Communicator* group);

  // The ranks' parts lie one after the other in the value's own memory.
  bool IsFlat(const at::Tensor& value) const;

  int64_t dim_;
  int64_t size_;
  std::vector<Ranges> ranks_;
  int64_t longest_ = 0;  // part; all travel at its length
  bool regular_ = true;  // equal parts, in the ranks' order
  collective::Communicator* group_;
};

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_OPERATIONS_EXCHANGE_H_
