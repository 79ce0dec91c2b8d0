// dropout: some numbers become 0, the others grow. The masks are drawn again in
// the backward, so nothing is kept.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "proto/support/status_macros.h"
#include "worker/kernel/cpu/dropout.h"
#include "worker/kernel/cpu/scores.h"
#include "worker/runtime/attributes.h"
#include "worker/runtime/dropout_places.h"
#include "worker/runtime/operations/factories.h"
#include "worker/runtime/parallel.h"

namespace autotp::runtime {
namespace {

constexpr int64_t kGrain = 8192;  // numbers worth a thread

class Dropout final : public Operation {
 public:
  Dropout(double probability, int64_t stream, DropoutPlaces places)
      : probability_(probability),
        stream_(stream),
        places_(std::move(places)) {}

  absl::Status Forward(ForwardContext& context) override {
    random_.reset();
    if (context.random() != nullptr) random_ = *context.random();
    context.Give(0, Drop(context.TakeInput(0)));
    return absl::OkStatus();
  }

  absl::Status Backward(BackwardContext& context) override {
    at::Tensor dx = Drop(context.TakeGradient(0));
    if (context.Needs(0)) context.Add(0, std::move(dx));
    return absl::OkStatus();
  }

  bool Keeps() const override { return false; }

 private:
  // In its own memory, if nobody else sees it.
  at::Tensor Drop(at::Tensor x) const {
    if (!random_.has_value()) return x;
    if (x.scalar_type() != at::kFloat) {
      x = x.to(at::kFloat).contiguous();
    } else if (!IsOwned(x) || !x.is_contiguous()) {
      x = x.clone(at::MemoryFormat::Contiguous);
    }
    const kernel::DropoutStream stream =
        kernel::MakeDropoutStream(random_->seed, stream_, probability_);
    const int64_t columns = x.size(-1);
    float* numbers = x.mutable_data_ptr<float>();
    ParallelFor(places_.rows(), 1 + kGrain / std::max<int64_t>(1, columns),
                [&](int64_t begin, int64_t end) {
                  std::vector<float> factors(columns);
                  for (int64_t row = begin; row < end; ++row) {
                    Draw(stream, row, factors.data());
                    kernel::MultiplyRow(factors.data(), columns,
                                        numbers + row * columns);
                  }
                });
    return x;
  }

  void Draw(const kernel::DropoutStream& stream, int64_t row,
            float* factors) const {
    const DropoutPlaces::Row place = places_.At(row);
    for (const DropoutPlaces::Run& run : places_.runs()) {
      kernel::DropoutFactors(stream, random_->first_sequence + place.sequence,
                             place.row, run.begin, run.length, factors);
      factors += run.length;
    }
  }

  const double probability_;
  const int64_t stream_;
  const DropoutPlaces places_;
  std::optional<RandomSource> random_;  // none: an evaluation
};

}  // namespace

OperationOr MakeDropout(const NodeInfo& info) {
  const Attributes attributes(info.node);
  AUTOTP_ASSIGN_OR_RETURN(const double probability,
                          attributes.Number("probability"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t stream, attributes.Integer("stream"));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t dim, attributes.Integer("dim", -1));
  AUTOTP_ASSIGN_OR_RETURN(
      DropoutPlaces places,
      DropoutPlaces::Make(info.node, OutputShape(info, 0), dim));
  if (!(probability >= 0 && probability <= 1))
    return absl::InvalidArgumentError("'probability' is not between 0 and 1");
  return std::make_unique<Dropout>(probability, stream, std::move(places));
}

}  // namespace autotp::runtime
