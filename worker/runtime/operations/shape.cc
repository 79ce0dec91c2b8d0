// reshape, transpose, slice, concat, stack: the same numbers elsewhere; views
// where memory allows.
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/operations/factories.h"

namespace autotp::runtime {
namespace {

class Reshape final : public Operation {
 public:
  Reshape(std::vector<int64_t> from, std::vector<int64_t> to)
      : from_(std::move(from)), to_(std::move(to)) {}

  absl::Status Forward(ForwardContext& context) override {
    context.Give(0, context.TakeInput(0).reshape(to_));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    at::Tensor dy = context.TakeGradient(0);
    if (context.Needs(0)) context.Add(0, dy.reshape(from_));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  const std::vector<int64_t> from_;
  const std::vector<int64_t> to_;
};

class Transpose final : public Operation {
 public:
  Transpose(int64_t a, int64_t b) : a_(a), b_(b) {}

  absl::Status Forward(ForwardContext& context) override {
    context.Give(0, context.TakeInput(0).transpose(a_, b_));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.TakeGradient(0);
    if (context.Needs(0)) context.Add(0, dy.transpose(a_, b_));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  const int64_t a_;
  const int64_t b_;
};

class Slice final : public Operation {
 public:
  Slice(int64_t dim, int64_t begin, int64_t end)
      : dim_(dim), begin_(begin), length_(end - begin) {}

  absl::Status Forward(ForwardContext& context) override {
    context.Give(0, context.Input(0).narrow(dim_, begin_, length_));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.TakeGradient(0);
    if (!context.Needs(0)) return absl::OkStatus();
    Room room = context.MakeRoom(0);
    if (!room.add) room.tensor.zero_();
    room.tensor.narrow(dim_, begin_, length_).add_(dy);
    context.Deliver(0, std::move(room));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  const int64_t dim_;
  const int64_t begin_;
  const int64_t length_;
};

class Concat final : public Operation {
 public:
  Concat(int64_t dim, std::vector<int64_t> lengths)
      : dim_(dim), lengths_(std::move(lengths)) {}

  absl::Status Forward(ForwardContext& context) override {
    std::vector<at::Tensor> parts;
    for (size_t i = 0; i < lengths_.size(); ++i)
      parts.push_back(context.Input(static_cast<int>(i)));
    context.Give(0, at::cat(parts, dim_));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.TakeGradient(0);
    int64_t begin = 0;
    for (size_t i = 0; i < lengths_.size(); ++i) {
      const int input = static_cast<int>(i);
      if (context.Needs(input))
        context.Add(input, dy.narrow(dim_, begin, lengths_[i]));
      begin += lengths_[i];
    }
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  const int64_t dim_;
  const std::vector<int64_t> lengths_;
};

class Stack final : public Operation {
 public:
  explicit Stack(int count) : count_(count) {}

  absl::Status Forward(ForwardContext& context) override {
    std::vector<at::Tensor> parts;
    for (int i = 0; i < count_; ++i) parts.push_back(context.Input(i));
    context.Give(0, at::stack(parts));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy = context.TakeGradient(0);
    for (int i = 0; i < count_; ++i)
      if (context.Needs(i)) context.Add(i, dy.select(0, i));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  const int count_;
};

}  // namespace

OperationOr MakeReshape(const NodeInfo& info) {
  return std::make_unique<Reshape>(InputShape(info, 0), OutputShape(info, 0));
}

OperationOr MakeTranspose(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const int64_t a, attributes.Integer("a"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t b, attributes.Integer("b"));
  return std::make_unique<Transpose>(a, b);
}

OperationOr MakeSlice(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const int64_t dim, attributes.Integer("dim"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t begin, attributes.Integer("begin"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t end, attributes.Integer("end"));
  return std::make_unique<Slice>(dim, begin, end);
}

OperationOr MakeConcat(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const int64_t dim,
                          Attributes(info.node).Integer("dim"));
  std::vector<int64_t> lengths;
  for (int i = 0; i < info.node.inputs_size(); ++i) {
    const std::vector<int64_t> shape = InputShape(info, i);
    const int64_t rank = static_cast<int64_t>(shape.size());
    if (dim < -rank || dim >= rank)
      return absl::InvalidArgumentError("attribute 'dim' is out of range");
    lengths.push_back(shape[dim < 0 ? dim + rank : dim]);
  }
  return std::make_unique<Concat>(dim, std::move(lengths));
}

OperationOr MakeStack(const NodeInfo& info) {
  return std::make_unique<Stack>(info.node.inputs_size());
}

}  // namespace autotp::runtime
