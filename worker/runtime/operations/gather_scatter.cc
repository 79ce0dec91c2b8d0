// all_gather, reduce_scatter, take: between whole values and those that are
// cut over a tensor-parallel group.
#include <ATen/ops/zeros.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/exchange.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

class AllGather final : public Operation {
 public:
  AllGather(CutDim cut, bool summed) : cut_(std::move(cut)), summed_(summed) {}

  absl::Status Forward(ForwardContext& context) override {
    AUTOTP_ASSIGN_OR_RETURN(at::Tensor whole, cut_.Gather(context.Input(0)));
    context.Give(0, std::move(whole));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.TakeGradient(0);
    if (!summed_) {
      if (context.Needs(0)) context.Add(0, cut_.Own(dy));
      return absl::OkStatus();
    }
    AUTOTP_ASSIGN_OR_RETURN(at::Tensor part, cut_.SumAndCut(dy));
    if (context.Needs(0)) context.Add(0, std::move(part));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  const CutDim cut_;
  const bool summed_;
};

class ReduceScatter final : public Operation {
 public:
  explicit ReduceScatter(CutDim cut) : cut_(std::move(cut)) {}

  absl::Status Forward(ForwardContext& context) override {
    AUTOTP_ASSIGN_OR_RETURN(at::Tensor part, cut_.SumAndCut(context.Input(0)));
    context.Give(0, std::move(part));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    AUTOTP_ASSIGN_OR_RETURN(at::Tensor whole,
                            cut_.Gather(context.TakeGradient(0)));
    if (context.Needs(0)) context.Add(0, std::move(whole));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  const CutDim cut_;
};

class Take final : public Operation {
 public:
  Take(int64_t dim, int64_t size, Ranges ranges)
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

  bool Keeps() const override { return false; }

 private:
  const int64_t dim_;
  const int64_t size_;
  const Ranges ranges_;
};

}  // namespace

OperationOr MakeAllGather(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(CutDim cut, CutDim::Of(info, InputShape(info, 0)));
  AUTOTP_ASSIGN_OR_RETURN(const bool summed,
                          Attributes(info.node).Flag("summed", false));
  return std::make_unique<AllGather>(std::move(cut), summed);
}

OperationOr MakeReduceScatter(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(CutDim cut, CutDim::Of(info, OutputShape(info, 0)));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t rank,
                          Attributes(info.node).Integer("rank"));
  if (rank != cut.rank()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the program is rank ", rank, "'s, not rank ", cut.rank(), "'s"));
  }
  return std::make_unique<ReduceScatter>(std::move(cut));
}

OperationOr MakeTake(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const int64_t dim, attributes.Integer("dim"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t size, attributes.Integer("size"));
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers,
                          attributes.Integers("intervals"));
  AUTOTP_ASSIGN_OR_RETURN(Ranges ranges, ReadRanges(numbers, size));
  return std::make_unique<Take>(dim, size, std::move(ranges));
}

}  // namespace autotp::runtime
