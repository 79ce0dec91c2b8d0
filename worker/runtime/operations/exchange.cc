#include "worker/runtime/operations/exchange.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"

namespace autotp::runtime {
namespace {

collective::ElementType TypeOf(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kBFloat16:
      return collective::ElementType::kBFloat16;
    case at::kHalf:
      return collective::ElementType::kFloat16;
    default:
      return collective::ElementType::kFloat32;
  }
}

int64_t Length(const Ranges& ranges) {
  int64_t length = 0;
  for (const Range& range : ranges) length += range.length;
  return length;
}

}  // namespace

collective::Buffer BufferOf(const at::Tensor& tensor) {
  return {tensor.data_ptr(), tensor.numel(), TypeOf(tensor)};
}

at::Tensor TakeRanges(const at::Tensor& whole, int64_t dim,
                      const Ranges& ranges) {
  if (ranges.empty()) return whole.narrow(dim, 0, 0);
  if (ranges.size() == 1)
    return whole.narrow(dim, ranges[0].begin, ranges[0].length);
  std::vector<at::Tensor> parts;
  for (const Range& range : ranges)
    parts.push_back(whole.narrow(dim, range.begin, range.length));
  return at::cat(parts, dim);
}

void PutRanges(const at::Tensor& part, int64_t dim, const Ranges& ranges,
               at::Tensor& whole) {
  int64_t from = 0;
  for (const Range& range : ranges) {
    whole.narrow(dim, range.begin, range.length)
        .copy_(part.narrow(dim, from, range.length));
    from += range.length;
  }
}

absl::StatusOr<Ranges> ReadRanges(const std::vector<int64_t>& numbers,
                                  int64_t size) {
  Ranges ranges;
  if (numbers.size() % 2 != 0)
    return absl::InvalidArgumentError("attribute 'intervals' ends early");
  for (size_t at = 0; at < numbers.size(); at += 2) {
    const int64_t begin = numbers[at];
    const int64_t end = numbers[at + 1];
    if (begin < 0 || begin > end || end > size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "interval [", begin, ", ", end, ") is outside of ", size));
    }
    ranges.push_back({begin, end - begin});
  }
  return ranges;
}

CutDim::CutDim(int64_t dim, int64_t size, std::vector<Ranges> ranks,
               collective::Communicator* group)
    : dim_(dim), size_(size), ranks_(std::move(ranks)), group_(group) {
  for (const Ranges& ranges : ranks_)
    longest_ = std::max(longest_, Length(ranges));
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    const Ranges& own = ranks_[rank];
    regular_ = regular_ && own.size() == 1 && own[0].length == longest_ &&
               own[0].begin == static_cast<int64_t>(rank) * longest_;
  }
}

absl::StatusOr<CutDim> CutDim::Of(const NodeInfo& info,
                                  const std::vector<int64_t>& part) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const int64_t dim, attributes.Integer("dim"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t size, attributes.Integer("size"));
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers,
                          attributes.Integers("intervals"));
  std::vector<Ranges> ranks;
  for (size_t at = 0; at < numbers.size();) {
    const int64_t count = numbers[at++];
    const auto left = static_cast<int64_t>(numbers.size() - at);
    if (count < 0 || count > left / 2)
      return absl::InvalidArgumentError("attribute 'intervals' ends early");
    const auto first = numbers.begin() + static_cast<int64_t>(at);
    AUTOTP_ASSIGN_OR_RETURN(
        Ranges ranges,
        ReadRanges(std::vector<int64_t>(first, first + 2 * count), size));
    ranks.push_back(std::move(ranges));
    at += static_cast<size_t>(2 * count);
  }
  const int group_size =
      info.tensor_group == nullptr ? 1 : info.tensor_group->size();
  if (static_cast<int>(ranks.size()) != group_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("attribute 'intervals' is for ", ranks.size(),
                     " ranks, the group has ", group_size));
  }
  const int rank = info.tensor_group == nullptr ? 0 : info.tensor_group->rank();
  if (Length(ranks[rank]) != part[dim]) {
    return absl::InvalidArgumentError(absl::StrCat(
        "attribute 'intervals' gives rank ", rank, " ", Length(ranks[rank]),
        " positions, the program ", part[dim]));
  }
  return CutDim(dim, size, std::move(ranks), info.tensor_group);
}

bool CutDim::IsFlat(const at::Tensor& value) const {
  bool outermost = regular_;
  for (int64_t d = 0; d < dim_; ++d)
    outermost = outermost && value.size(d) == 1;
  return outermost;
}

absl::StatusOr<at::Tensor> CutDim::Gather(const at::Tensor& part) const {
  if (group_ == nullptr) return part;
  std::vector<int64_t> whole_shape = part.sizes().vec();
  whole_shape[dim_] = size_;
  at::Tensor whole = at::empty(whole_shape, part.options());
  if (IsFlat(part)) {
    const at::Tensor sent = part.contiguous();
    AUTOTP_RETURN_IF_ERROR(
        group_->AllGather(BufferOf(sent), BufferOf(whole))->Wait());
    return whole;
  }
  // Parts travel with the cut dimension first and padded to the longest.
  std::vector<int64_t> shape = part.transpose(0, dim_).sizes().vec();
  const int64_t own = shape[0];
  shape[0] = longest_;
  at::Tensor sent = at::zeros(shape, part.options());
  sent.narrow(0, 0, own).copy_(part.transpose(0, dim_));
  shape.insert(shape.begin(), static_cast<int64_t>(ranks_.size()));
  at::Tensor received = at::empty(shape, part.options());
  AUTOTP_RETURN_IF_ERROR(
      group_->AllGather(BufferOf(sent), BufferOf(received))->Wait());
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    const at::Tensor from =
        received.select(0, static_cast<int64_t>(rank)).transpose(0, dim_);
    PutRanges(from, dim_, ranks_[rank], whole);
  }
  return whole;
}

absl::StatusOr<at::Tensor> CutDim::SumAndCut(const at::Tensor& whole) const {
  if (group_ == nullptr) return whole;
  const Ranges& own = ranks_[group_->rank()];
  if (IsFlat(whole)) {
    std::vector<int64_t> shape = whole.sizes().vec();
    shape[dim_] = longest_;
    const at::Tensor sent = whole.contiguous();
    at::Tensor part = at::empty(shape, whole.options());
    AUTOTP_RETURN_IF_ERROR(group_
                               ->ReduceScatter(BufferOf(sent), BufferOf(part),
                                               collective::Reduction::kSum)
                               ->Wait());
    return part;
  }
  std::vector<int64_t> shape = whole.transpose(0, dim_).sizes().vec();
  shape[0] = longest_;
  at::Tensor part = at::empty(shape, whole.options());
  shape.insert(shape.begin(), static_cast<int64_t>(ranks_.size()));
  at::Tensor sent = at::zeros(shape, whole.options());
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    const at::Tensor taken = TakeRanges(whole, dim_, ranks_[rank]);
    sent.select(0, static_cast<int64_t>(rank))
        .narrow(0, 0, taken.size(dim_))
        .copy_(taken.transpose(0, dim_));
  }
  AUTOTP_RETURN_IF_ERROR(group_
                             ->ReduceScatter(BufferOf(sent), BufferOf(part),
                                             collective::Reduction::kSum)
                             ->Wait());
  return part.narrow(0, 0, Length(own)).transpose(0, dim_).contiguous();
}

at::Tensor CutDim::Own(const at::Tensor& whole) const {
  return group_ == nullptr ? whole
                           : TakeRanges(whole, dim_, ranks_[group_->rank()]);
}

}  // namespace autotp::runtime
