#include "proto/support/optimizer_states.h"

#include <algorithm>

namespace autotp::zero {
namespace {

constexpr absl::string_view kMoments[] = {"exp_avg", "exp_avg_sq"};
constexpr absl::string_view kSum[] = {"sum"};
constexpr absl::string_view kMomentum[] = {"momentum_buffer"};
constexpr absl::string_view kAll[] = {"exp_avg", "exp_avg_sq", "sum",
                                      "momentum_buffer"};

}  // namespace

absl::Span<const absl::string_view> OptimizerStates(
    const v1::OptimizerConfig& optimizer, bool orthogonalized) {
  const absl::Span<const absl::string_view> moments = kMoments;
  switch (optimizer.kind()) {
    case v1::OptimizerConfig::KIND_ADAGRAD:
      return kSum;
    case v1::OptimizerConfig::KIND_LION:
      return moments.first(1);
    case v1::OptimizerConfig::KIND_SGD:
      if (optimizer.momentum() == 0) return {};
      return kMomentum;
    case v1::OptimizerConfig::KIND_MUON:
      if (orthogonalized) return kMomentum;
      return moments;
    default:
      return moments;
  }
}

absl::Span<const absl::string_view> AllOptimizerStates() { return kAll; }

int64_t StateElements(const FlatLayout& layout, const std::vector<int>& states,
                      int shard) {
  // What every parameter has takes whole arrays, gaps included; memory beyond
  // that is touched only where a parameter has more.
  const int common =
      states.empty() ? 0 : *std::min_element(states.begin(), states.end());
  int64_t elements =
      common * (shard < 0 ? layout.elements() : layout.shard_elements());
  for (const Bucket& bucket : layout.buckets()) {
    const Range held = shard < 0 ? bucket.range : layout.Shard(bucket, shard);
    for (const int parameter : bucket.parameters) {
      elements += (states[parameter] - common) *
                  Intersect(layout.parameter(parameter), held).size();
    }
  }
  return elements;
}

}  // namespace autotp::zero
