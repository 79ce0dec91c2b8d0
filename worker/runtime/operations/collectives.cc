// copy, all_reduce, all_gather, take: a tensor-parallel group's exchanges.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

struct Range {
  int64_t begin = 0;
  int64_t length = 0;
};

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

collective::Buffer BufferOf(const at::Tensor& tensor) {
  return {tensor.data_ptr(), tensor.numel(), TypeOf(tensor)};
}

// The sum over the ranks, in the tensor's own memory if nobody else sees it.
absl::StatusOr<at::Tensor> Sum(at::Tensor tensor,
                               collective::Communicator* group) {
  if (group == nullptr) return tensor;
  if (!IsOwned(tensor) || !tensor.is_contiguous())
    tensor = tensor.clone(at::MemoryFormat::Contiguous);
  AUTOTP_RETURN_IF_ERROR(
      group->AllReduce(BufferOf(tensor), collective::Reduction::kSum)->Wait());
  return tensor;
}

at::Tensor TakeRanges(const at::Tensor& whole, int64_t dim,
                      const std::vector<Range>& ranges) {
  if (ranges.size() == 1)
    return whole.narrow(dim, ranges[0].begin, ranges[0].length);
  std::vector<at::Tensor> parts;
  for (const Range& range : ranges)
    parts.push_back(whole.narrow(dim, range.begin, range.length));
  if (parts.empty()) return whole.narrow(dim, 0, 0);
  return at::cat(parts, dim);
}

// Writes `part` to its places in `whole`.
void PutRanges(const at::Tensor& part, int64_t dim,
               const std::vector<Range>& ranges, at::Tensor& whole) {
  int64_t from = 0;
  for (const Range& range : ranges) {
    whole.narrow(dim, range.begin, range.length)
        .copy_(part.narrow(dim, from, range.length));
    from += range.length;
  }
}

class Copy final : public Operation {
 public:
  explicit Copy(collective::Communicator* group) : group_(group) {}

  absl::Status Forward(ForwardContext& context) override {
    context.Give(0, context.TakeInput(0));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    AUTOTP_ASSIGN_OR_RETURN(at::Tensor sum,
                            Sum(context.TakeGradient(0), group_));
    if (context.Needs(0)) context.Add(0, std::move(sum));
    return absl::OkStatus();
  }

 private:
  collective::Communicator* const group_;
};

class AllReduce final : public Operation {
 public:
  explicit AllReduce(collective::Communicator* group) : group_(group) {}

  absl::Status Forward(ForwardContext& context) override {
    AUTOTP_ASSIGN_OR_RETURN(at::Tensor sum, Sum(context.TakeInput(0), group_));
    context.Give(0, std::move(sum));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    at::Tensor dy = context.TakeGradient(0);
    if (context.Needs(0)) context.Add(0, std::move(dy));
    return absl::OkStatus();
  }

 private:
  collective::Communicator* const group_;
};

class AllGather final : public Operation {
 public:
  AllGather(int64_t dim, int64_t size, std::vector<std::vector<Range>> ranks,
            collective::Communicator* group)
      : dim_(dim), size_(size), ranks_(std::move(ranks)), group_(group) {}

  // Parts travel with the cut dimension first and padded to the longest.
  absl::Status Forward(ForwardContext& context) override {
    const at::Tensor& part = context.Input(0);
    if (group_ == nullptr) {
      context.Give(0, part);
      return absl::OkStatus();
    }
    int64_t longest = 0;
    for (const auto& ranges : ranks_)
      longest = std::max(longest, Length(ranges));
    std::vector<int64_t> shape = part.transpose(0, dim_).sizes().vec();
    const int64_t own = shape[0];
    shape[0] = longest;
    at::Tensor sent = at::zeros(shape, part.options());
    sent.narrow(0, 0, own).copy_(part.transpose(0, dim_));
    shape.insert(shape.begin(), static_cast<int64_t>(ranks_.size()));
    at::Tensor received = at::empty(shape, part.options());
    AUTOTP_RETURN_IF_ERROR(
        group_->AllGather(BufferOf(sent), BufferOf(received))->Wait());
    std::vector<int64_t> whole_shape = part.sizes().vec();
    whole_shape[dim_] = size_;
    at::Tensor whole = at::empty(whole_shape, part.options());
    for (size_t rank = 0; rank < ranks_.size(); ++rank) {
      const at::Tensor from =
          received.select(0, static_cast<int64_t>(rank)).transpose(0, dim_);
      PutRanges(from, dim_, ranks_[rank], whole);
    }
    context.Give(0, std::move(whole));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.TakeGradient(0);
    if (!context.Needs(0)) return absl::OkStatus();
    context.Add(0, group_ == nullptr
                       ? dy
                       : TakeRanges(dy, dim_, ranks_[group_->rank()]));
    return absl::OkStatus();
  }

 private:
  static int64_t Length(const std::vector<Range>& ranges) {
    int64_t length = 0;
    for (const Range& range : ranges) length += range.length;
    return length;
  }

  const int64_t dim_;
  const int64_t size_;
  const std::vector<std::vector<Range>> ranks_;
  collective::Communicator* const group_;
};

class Take final : public Operation {
 public:
  Take(int64_t dim, int64_t size, std::vector<Range> ranges)
      : dim_(dim), size_(size), ranges_(std::move(ranges)) {}

  absl::Status Forward(ForwardContext& context) override {
    context.Give(0, TakeRanges(context.Input(0), dim_, ranges_));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.TakeGradient(0);
    if (!context.Needs(0)) return absl::OkStatus();
    std::vector<int64_t> shape = dy.sizes().vec();
    shape[dim_] = size_;
    at::Tensor whole = at::zeros(shape, dy.options());
    PutRanges(dy, dim_, ranges_, whole);
    context.Add(0, std::move(whole));
    return absl::OkStatus();
  }

 private:
  const int64_t dim_;
  const int64_t size_;
  const std::vector<Range> ranges_;
};

// Reads `count` intervals from `numbers` at `at`, which moves on.
absl::StatusOr<std::vector<Range>> ReadRanges(
    const std::vector<int64_t>& numbers, size_t count, size_t& at,
    int64_t size) {
  std::vector<Range> ranges;
  for (size_t i = 0; i < count; ++i) {
    if (at + 2 > numbers.size())
      return absl::InvalidArgumentError("attribute 'intervals' ends early");
    const int64_t begin = numbers[at];
    const int64_t end = numbers[at + 1];
    if (begin < 0 || begin > end || end > size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "interval [", begin, ", ", end, ") is outside of ", size));
    }
    ranges.push_back({begin, end - begin});
    at += 2;
  }
  return ranges;
}

}  // namespace

OperationOr MakeCopy(const NodeInfo& info) {
  return std::make_unique<Copy>(info.tensor_group);
}

OperationOr MakeAllReduce(const NodeInfo& info) {
  return std::make_unique<AllReduce>(info.tensor_group);
}

OperationOr MakeAllGather(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const int64_t dim, attributes.Integer("dim"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t size, attributes.Integer("size"));
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers,
                          attributes.Integers("intervals"));
  std::vector<std::vector<Range>> ranks;
  for (size_t at = 0; at < numbers.size();) {
    const size_t count = static_cast<size_t>(numbers[at++]);
    AUTOTP_ASSIGN_OR_RETURN(std::vector<Range> ranges,
                            ReadRanges(numbers, count, at, size));
    ranks.push_back(std::move(ranges));
  }
  const int group_size =
      info.tensor_group == nullptr ? 1 : info.tensor_group->size();
  if (static_cast<int>(ranks.size()) != group_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("attribute 'intervals' is for ", ranks.size(),
                     " ranks, the group has ", group_size));
  }
  return std::make_unique<AllGather>(dim, size, std::move(ranks),
                                     info.tensor_group);
}

OperationOr MakeTake(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const int64_t dim, attributes.Integer("dim"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t size, attributes.Integer("size"));
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers,
                          attributes.Integers("intervals"));
  size_t at = 0;
  AUTOTP_ASSIGN_OR_RETURN(std::vector<Range> ranges,
                          ReadRanges(numbers, numbers.size() / 2, at, size));
  return std::make_unique<Take>(dim, size, std::move(ranges));
}

}  // namespace autotp::runtime
