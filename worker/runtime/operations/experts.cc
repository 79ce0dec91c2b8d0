// experts: each token through the experts that it chose. Tokens are sorted by
// expert, so only chosen rows are multiplied, and each expert's work is six
// matrix products.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/routing.h"
#include "worker/runtime/activation_math.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/matrix_product.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

constexpr int kFirstWeight = 3;    // behind x, weights and choices
constexpr int64_t kGrain = 16384;  // numbers worth a thread

at::Tensor Rows(int64_t rows, int64_t width) {
  return at::empty({rows, width}, at::kFloat);
}

// A matrix, or consecutive rows of one; row-major and dense.
struct Matrix {
  float* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  bool transposed = false;

  Matrix T() const { return {data, rows, columns, !transposed}; }
};

Matrix ToMatrix(const at::Tensor& tensor) {
  return {const_cast<float*>(tensor.const_data_ptr<float>()), tensor.size(0),
          tensor.size(1)};
}

// c = a b, or c += a b.
void Multiply(const Matrix& a, const Matrix& b, bool add, const Matrix& c) {
  MultiplyMatrices(a.transposed, b.transposed, c.rows, c.columns,
                   a.transposed ? a.rows : a.columns, 1.0f, a.data, a.columns,
                   b.data, b.columns, add ? 1.0f : 0.0f, c.data, c.columns);
}

class Experts final : public Operation {
 public:
  Experts(ActivationKind kind, int count, int64_t width, int64_t inner)
      : kind_(kind), count_(count), width_(width), inner_(inner) {}

  absl::Status Forward(ForwardContext& context) override {
    x_ = context.Input(0);
    choice_weights_ = context.FloatInput(1).contiguous();
    const at::Tensor chosen = context.Input(2).contiguous();
    AUTOTP_RETURN_IF_ERROR(CheckChoices(chosen));
    routing_ =
        kernel::SortByExpert(chosen.const_data_ptr<int64_t>(),
                             x_.numel() / width_, chosen.size(-1), count_);
    weights_.clear();
    for (int i = 0; i < 3 * count_; ++i)
      weights_.push_back(context.Input(kFirstWeight + i).contiguous());
    at::Tensor y = at::empty(x_.sizes(), at::kFloat);
    if (inner_ == 0) {  // this rank has no column of them
      context.Give(0, y.zero_());
      return absl::OkStatus();
    }
    const at::Tensor x = Gather(ToFloat(x_));
    gate_ = Rows(routing_.rows(), inner_);
    up_ = Rows(routing_.rows(), inner_);
    ForEachExpert([&](int e, const at::Tensor& gate, const at::Tensor& up,
                      const at::Tensor&) {
      Multiply(Of(x, e), ToMatrix(gate).T(), false, Of(gate_, e));
      Multiply(Of(x, e), ToMatrix(up).T(), false, Of(up_, e));
    });
    if (!context.Wants(0)) return absl::OkStatus();
    const at::Tensor inner = Gate(kind_, gate_, up_);
    const at::Tensor results = Rows(routing_.rows(), width_);
    ForEachExpert([&](int e, const at::Tensor&, const at::Tensor&,
                      const at::Tensor& down) {
      Multiply(Of(inner, e), ToMatrix(down).T(), false, Of(results, e));
    });
    Combine(results, choice_weights_.const_data_ptr<float>(), false, y);
    context.Give(0, std::move(y));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    const at::Tensor dy =
        Gather(context.FloatGradient(0).contiguous());  // of a choice's result
    const at::Tensor x = Gather(ToFloat(std::exchange(x_, at::Tensor())));
    std::vector<Room> rooms = MakeRooms(context);
    at::Tensor choice_gradient = at::empty_like(choice_weights_);
    if (inner_ == 0) {
      choice_gradient.zero_();
    } else {
      const at::Tensor inner = Gate(kind_, gate_, up_);
      const at::Tensor dinner = Rows(routing_.rows(), inner_);
      ForEachExpert([&](int e, const at::Tensor&, const at::Tensor&,
                        const at::Tensor& down) {
        Multiply(Of(dy, e), ToMatrix(down), false, Of(dinner, e));
      });
      WeighInner(inner, dinner, choice_gradient);
      // What is left of `inner` are weighted rows: down's gradient.
      ForEachExpert(
          [&](int e, const at::Tensor&, const at::Tensor&, const at::Tensor&) {
            AddProduct(rooms, 2 * count_ + e, Of(dy, e), Of(inner, e));
          });
      DifferentiateGate(kind_, dinner, gate_, up_);
      ForEachExpert(
          [&](int e, const at::Tensor&, const at::Tensor&, const at::Tensor&) {
            AddProduct(rooms, e, Of(gate_, e), Of(x, e));
            AddProduct(rooms, count_ + e, Of(up_, e), Of(x, e));
          });
    }
    for (int i = 0; i < 3 * count_; ++i) {
      if (rooms[i].tensor.defined())
        context.Deliver(kFirstWeight + i, std::move(rooms[i]));
    }
    if (context.Needs(0)) GiveInputGradient(context);
    if (context.Needs(1)) context.Add(1, std::move(choice_gradient));
    weights_.clear();
    gate_ = up_ = choice_weights_ = at::Tensor();
    return absl::OkStatus();
  }

  void Forget() override {
    weights_.clear();
    x_ = choice_weights_ = gate_ = up_ = at::Tensor();
  }

 private:
  // They are a router's, or what the program computed.
  absl::Status CheckChoices(const at::Tensor& chosen) const {
    const int64_t* numbers = chosen.const_data_ptr<int64_t>();
    for (int64_t i = 0; i < chosen.numel(); ++i) {
      if (numbers[i] < 0 || numbers[i] >= count_) {
        return absl::InvalidArgumentError(
            absl::StrCat("expert ", numbers[i], " is chosen, of ", count_));
      }
    }
    return absl::OkStatus();
  }

  // An expert's rows of a sorted matrix.
  Matrix Of(const at::Tensor& rows, int expert) const {
    return {const_cast<float*>(rows.const_data_ptr<float>()) +
                routing_.begin[expert] * rows.size(1),
            routing_.rows_of(expert), rows.size(1)};
  }

  // body(expert, gate, up, down), weights in fp32, for every expert that has
  // rows. Many experts are shared among the threads; few, or weights that are
  // to be converted, leave the threads to each product.
  template <typename Body>
  void ForEachExpert(const Body& body) const {
    std::vector<int> busy;
    for (int e = 0; e < count_; ++e)
      if (routing_.rows_of(e) > 0) busy.push_back(e);
    const auto run = [&](int e) {
      body(e, ToFloat(weights_[e]), ToFloat(weights_[count_ + e]),
           ToFloat(weights_[2 * count_ + e]));
    };
    const auto tasks = static_cast<int64_t>(busy.size());
    if (weights_[0].scalar_type() == at::kFloat && SharesTasks(tasks)) {
      ParallelTasks(tasks, [&](int64_t task) { run(busy[task]); });
    } else {
      for (const int e : busy) run(e);
    }
  }

  at::Tensor Gather(const at::Tensor& tokens) const {
    const at::Tensor from = tokens.contiguous();
    at::Tensor to = Rows(routing_.rows(), width_);
    const float* in = from.const_data_ptr<float>();
    float* out = to.mutable_data_ptr<float>();
    ParallelFor(routing_.rows(), 1 + kGrain / width_,
                [&](int64_t begin, int64_t end) {
                  kernel::GatherRows(routing_, in, width_, begin, end, out);
                });
    return to;
  }

  void Combine(const at::Tensor& rows, const float* weights, bool add,
               const at::Tensor& to) const {
    const float* in = rows.const_data_ptr<float>();
    float* out = to.mutable_data_ptr<float>();
    ParallelFor(to.numel() / width_, 1 + kGrain / width_,
                [&](int64_t begin, int64_t end) {
                  kernel::CombineRows(routing_, in, weights, width_, begin, end,
                                      add, out);
                });
  }

  // Rows of both are weighted by their choices; a weight's gradient is the
  // product of its row with the gradient of it.
  void WeighInner(const at::Tensor& inner, const at::Tensor& dinner,
                  at::Tensor& gradient) const {
    float* a = inner.mutable_data_ptr<float>();
    float* da = dinner.mutable_data_ptr<float>();
    float* out = gradient.mutable_data_ptr<float>();
    const float* weights = choice_weights_.const_data_ptr<float>();
    ParallelFor(
        routing_.rows(), 1 + kGrain / inner_, [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            const int64_t choice = routing_.choice[row];
            out[choice] = kernel::WeighRow(weights[choice], inner_,
                                           a + row * inner_, da + row * inner_);
          }
        });
  }

  // Room for the weights' gradients; zero where an expert has no rows.
  std::vector<Room> MakeRooms(BackwardContext& context) const {
    std::vector<Room> rooms(3 * count_);
    for (int i = 0; i < 3 * count_; ++i) {
      if (!context.Needs(kFirstWeight + i)) continue;
      rooms[i] = context.MakeRoom(kFirstWeight + i);
      const bool idle = routing_.rows_of(i % count_) == 0;
      if (idle && !rooms[i].add) rooms[i].tensor.zero_();
    }
    return rooms;
  }

  static void AddProduct(const std::vector<Room>& rooms, int weight,
                         const Matrix& a, const Matrix& b) {
    const Room& room = rooms[weight];
    if (room.tensor.defined())
      Multiply(a.T(), b, room.add, ToMatrix(room.tensor));
  }

  void GiveInputGradient(BackwardContext& context) const {
    Room room = context.MakeRoom(0);
    if (inner_ == 0) {
      if (!room.add) room.tensor.zero_();
    } else {
      const at::Tensor dx = Rows(routing_.rows(), width_);
      ForEachExpert([&](int e, const at::Tensor& gate, const at::Tensor& up,
                        const at::Tensor&) {
        Multiply(Of(gate_, e), ToMatrix(gate), false, Of(dx, e));
        Multiply(Of(up_, e), ToMatrix(up), true, Of(dx, e));
      });
      Combine(dx, nullptr, room.add, room.tensor);
    }
    context.Deliver(0, std::move(room));
  }

  const ActivationKind kind_;
  const int count_;
  const int64_t width_;  // C
  const int64_t inner_;  // I, of this rank
  kernel::Routing routing_;
  at::Tensor x_;
  at::Tensor choice_weights_;
  std::vector<at::Tensor> weights_;  // gates, ups, downs
  at::Tensor gate_, up_;             // sorted
};

}  // namespace

OperationOr MakeExperts(const NodeInfo& info) {
  AUTOTP_ASSIGN_OR_RETURN(const ActivationKind kind,
                          ReadActivationKind(info.node));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t count,
                          Attributes(info.node).Integer("count"));
  if (count < 1 || info.node.inputs_size() != kFirstWeight + 3 * count) {
    return absl::InvalidArgumentError(
        absl::StrCat("attribute 'count' is ", count, ", but there are ",
                     info.node.inputs_size(), " inputs"));
  }
  const std::vector<int64_t> gate = InputShape(info, kFirstWeight);
  if (gate.size() != 2)
    return absl::InvalidArgumentError("an expert's weight is no matrix");
  return std::make_unique<Experts>(kind, static_cast<int>(count), gate[1],
                                   gate[0]);
}

}  // namespace autotp::runtime
